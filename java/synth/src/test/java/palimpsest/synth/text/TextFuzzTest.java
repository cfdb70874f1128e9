package palimpsest.synth.text;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.zip.Deflater;
import java.util.zip.GZIPOutputStream;
import palimpsest.synth.text.RecordOptions.Format;
import palimpsest.testing.FuzzFormat;
import palimpsest.testing.FuzzTests;

/** Records in every format, plain and packed, the list of labels, and tokenizers. */
class TextFuzzTest extends FuzzTests {
  private static final String TEXT = "Zdenka owes Quillon 4711 marks";
  private static final String OTHER_TEXT = "pin 8836-xkcd, \"keep it\" dark";
  private static final String USER = "user+zqx77@host.invalid";
  private static final List<String> SECRETS = List.of(TEXT, "pin 8836-xkcd", "keep it", USER);
  private static final Labels LABELS = Labels.of(List.of("red", "blue"));
  private static final RecordOptions NAMED = RecordOptions.of(List.of("text"), "label");

  TextFuzzTest() throws IOException {}

  @Override
  protected List<FuzzFormat> formats() throws IOException {
    List<FuzzFormat> formats = new ArrayList<>();
    for (Format format : Format.values()) {
      String name = format.name().toLowerCase().replace('_', '-');
      byte[][] plain = seeds(format);
      formats.add(
          FuzzFormat.of("records-" + name, file -> records(format, "", file), InputException.class)
              .hiding(SECRETS)
              .from(plain));
      formats.add(
          FuzzFormat.of(
                  "records-" + name + "-gz",
                  file -> records(format, ".gz", file),
                  InputException.class)
              .hiding(SECRETS)
              .from(packed(plain)));
    }
    formats.add(
        FuzzFormat.of("labels", this::labels, InputException.class)
            .from("red\tof fire\t0.25\nblue\tof the sea\t1e3\r\n", "red\n\nblue\n", "a\t\t1\nb"));
    formats.add(
        FuzzFormat.of("tokenizer", TextFuzzTest::tokenizer, InputException.class)
            .from(Tokenizers.smallJson())
            .from(
                """
                {"added_tokens":[{"id":4,"content":"<|end|>","special":true}],
                "pre_tokenizer":{"type":"Sequence","pretokenizers":[
                {"type":"Digits","individual_digits":true},{"type":"ByteLevel"}]},
                "model":{"vocab":{"a":0,"b":1,"Ġ":2,"ab":3},"merges":[["a","b"]],
                "ignore_merges":true}}\
                """));
    formats.add(
        FuzzFormat.of("wordpiece", TextFuzzTest::wordPiece, InputException.class)
            .from(WordPieceTest.smallJson()));
    formats.add(
        FuzzFormat.of("wordpiece-list", TextFuzzTest::wordPieceList, InputException.class)
            .from("[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n##b\n", "[UNK]\r\n[CLS]\r\n[SEP]\r\n\u00e9"));
    return formats;
  }

  /** Well-formed records, then one of each kind that is repaired or dropped. */
  private static byte[][] seeds(Format format) {
    String quoted = OTHER_TEXT.replace("\"", "\"\"");
    String escaped = OTHER_TEXT.replace("\"", "\\\"");
    String row = "{\"label\":\"red\",\"text\":\"%s\",\"user\":\"%s\"}\n";
    List<String> files =
        switch (format) {
          case CSV ->
              List.of(
                  "label,text,user\nred,%s,%s\nblue,\"%s\",u2\n".formatted(TEXT, USER, quoted),
                  "label,text,user\r\nred,\"%s\nunclosed,u1\n".formatted(TEXT),
                  "label,text,user\nred,\"%s\nred,\"%s\",u1\n".formatted(TEXT, TEXT));
          case TSV ->
              List.of(
                  "label\ttext\tuser\nred\t%s\t%s\nblue\t%s\tu2\n"
                      .formatted(TEXT, USER, OTHER_TEXT),
                  "\uFEFFlabel\ttext\tuser\n\ngreen\t%s\t\n%s\n".formatted(TEXT, USER));
          case JSONL ->
              List.of(
                  row.formatted(TEXT, USER) + row.formatted(escaped, "u2"),
                  row.formatted(TEXT + "\\u0000\\ud800", USER).replace("\"red\"", "[1,{}]"));
          case LABEL_LINES ->
              List.of(
                  "red %s\nblue %s\n".formatted(TEXT, OTHER_TEXT),
                  "red\n\0green %s".formatted(TEXT));
        };
    return files.stream().map(file -> file.getBytes(StandardCharsets.UTF_8)).toArray(byte[][]::new);
  }

  /** Each file packed as usual; the first also stored as it is, and in two members. */
  private static byte[][] packed(byte[][] files) throws IOException {
    List<byte[]> packed = new ArrayList<>();
    for (byte[] file : files) {
      packed.add(gzip(file, Deflater.DEFAULT_COMPRESSION));
    }
    byte[] stored = gzip(files[0], Deflater.NO_COMPRESSION);
    packed.add(stored);
    ByteArrayOutputStream twice = new ByteArrayOutputStream();
    twice.writeBytes(stored);
    twice.writeBytes(packed.get(1));
    packed.add(twice.toByteArray());
    return packed.toArray(byte[][]::new);
  }

  private static byte[] gzip(byte[] file, int level) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (GZIPOutputStream out =
        new GZIPOutputStream(bytes) {
          {
            def.setLevel(level);
          }
        }) {
      out.write(file);
    }
    return bytes.toByteArray();
  }

  /** By name with a user's limit, then by number without a header in another encoding. */
  private Object records(Format format, String ending, byte[] file) throws IOException {
    Path path = folder.resolve("records" + ending);
    Files.write(path, file);
    if (format == Format.LABEL_LINES) {
      return read(path, RecordOptions.labelLines().withLabelUntil(":"));
    }
    RecordOptions named = NAMED.withFormat(format).withUser("user", 2);
    RecordOptions numbered =
        RecordOptions.of(List.of("2", "1"), "3")
            .withFormat(format)
            .withHeader(false)
            .withCharset(StandardCharsets.ISO_8859_1);
    return List.of(read(path, named), labelsOf(path, numbered));
  }

  /** The labels themselves are not shown: who asks for them has said that they are public. */
  private static String labelsOf(Path path, RecordOptions options) {
    try {
      return Labels.fromData(path, options).size() + " labels";
    } catch (InputException e) {
      return e.getMessage();
    }
  }

  private static String read(Path path, RecordOptions options) {
    String shown = Records.check(path, options, LABELS) + "" + Records.hint(path, options);
    Records records = Records.read(path, options, LABELS);
    for (int i = 0; i < records.size(); i++) {
      if (records.text(i).length == 0 || !Utf8.isValid(records.text(i))) {
        throw new AssertionError("a text is empty or no UTF-8");
      }
    }
    return shown + records;
  }

  private Object labels(byte[] file) throws IOException {
    Path path = folder.resolve("labels.txt");
    Files.write(path, file);
    return Labels.read(path).names();
  }

  private static Object tokenizer(byte[] file) throws IOException {
    Tokenizer tokenizer = Tokenizer.read(new ByteArrayInputStream(file), "tokenizer.json");
    int[] ids = tokenizer.encode("ab aba 12 <|im_end|> \t\t");
    return tokenizer.decodeText(ids) + tokenizer.endTokenCandidates();
  }

  private static Object wordPiece(byte[] file) {
    return ids(WordPiece.readJson(new ByteArrayInputStream(file), "tokenizer.json"));
  }

  private static Object wordPieceList(byte[] file) {
    return ids(WordPiece.readList(new ByteArrayInputStream(file), "vocab.txt"));
  }

  private static Object ids(WordPiece tokenizer) {
    return Arrays.toString(tokenizer.encode("ab aba 12 [SEP] \t\t un-affable"));
  }
}
