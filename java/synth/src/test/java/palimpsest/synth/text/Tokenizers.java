package palimpsest.synth.text;

import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import palimpsest.testing.Shared;

/** The tokenizers that tests share, each read once. */
final class Tokenizers {
  private static Tokenizer gpt2;
  private static Tokenizer smollm2;

  private Tokenizers() {}

  static synchronized Tokenizer gpt2() {
    if (gpt2 == null) {
      gpt2 = Tokenizer.read(Shared.file("data/tokenizers/gpt2/tokenizer.json.gz"));
    }
    return gpt2;
  }

  static synchronized Tokenizer smollm2() {
    if (smollm2 == null) {
      smollm2 = Tokenizer.read(Shared.smollm2().resolve("tokenizer.json"));
    }
    return smollm2;
  }

  /** A tokenizer over all 256 bytes, a few merges and the control tokens of chat models. */
  static Tokenizer small() {
    return parse(smallJson());
  }

  static Tokenizer parse(String json) {
    byte[] bytes = json.getBytes(StandardCharsets.UTF_8);
    return Tokenizer.read(new ByteArrayInputStream(bytes), "test.json");
  }

  /** Ids 0..255 are the bytes; then ab, abab, he, ll, hell, hello and the control tokens. */
  static String smallJson() {
    StringBuilder vocabulary = new StringBuilder();
    for (int b = 0; b < 256; b++) {
      String token = String.valueOf(ByteAlphabet.character(b));
      String escaped = token.equals("\"") || token.equals("\\") ? "\\" + token : token;
      vocabulary.append('"').append(escaped).append("\":").append(b).append(',');
    }
    return """
    {"version":"1.0","truncation":{"max_length":3},"padding":{"length":9},
     "added_tokens":[
       {"id":262,"content":"<|endoftext|>","special":true},
       {"id":263,"content":"<|im_start|>","special":true},
       {"id":264,"content":"<|im_end|>","special":true},
       {"id":265,"content":"\\t\\t","special":false},
       {"id":266,"content":"\\t\\t\\t\\t","special":false}],
     "normalizer":null,
     "pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"use_regex":true},
     "decoder":{"type":"ByteLevel"},
     "model":{"type":"BPE","dropout":null,"unk_token":null,"byte_fallback":false,
       "vocab":{%s"ab":256,"abab":257,"he":258,"ll":259,"hell":260,"hello":261},
       "merges":["a b","ab ab",["h","e"],"l l","he ll","hell o"]}}
    """
        .formatted(vocabulary);
  }
}
