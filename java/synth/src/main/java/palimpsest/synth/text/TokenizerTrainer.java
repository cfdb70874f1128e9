package palimpsest.synth.text;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Iterator;
import java.util.List;
import java.util.PriorityQueue;
import java.util.stream.IntStream;
import palimpsest.synth.text.PairCounts.Pair;
import palimpsest.synth.text.TrainedVocabulary.Merge;

/**
 * Learns a byte-level byte-pair vocabulary from PUBLIC texts (Sennrich et al. 2016, "Neural Machine
 * Translation of Rare Words with Subword Units"; bytes as in GPT-2, Radford et al. 2019).
 *
 * <p>Never for private records: tokens are pieces of the texts, which no noise covers and no
 * account pays for. No private run trains a tokenizer (docs/privacy.md).
 *
 * <p>The most frequent pair of neighbouring tokens becomes a token, again and again; of equally
 * frequent ones the pair whose left token, then whose right token, is the greatest by its unsigned
 * bytes. So the same texts give the same vocabulary, in whatever order they come. No token is
 * longer than 1,024 bytes, the limit of {@link Tokenizer#read}.
 *
 * <p>Texts are read once and not kept: memory is at most {@value #HEAP_BYTES} bytes of Java heap
 * for each byte of distinct words. Time is linear in the texts, and O(n log n) in the distinct
 * words.
 */
public final class TokenizerTrainer {
  /**
   * Bytes of Java heap that a byte of distinct words takes at most: 20 for itself and its cells,
   * the rest for pairs, of which random words have nearly as many as bytes.
   */
  private static final int HEAP_BYTES = 64;

  /**
   * A pair by the count that it had when it was put in the queue.
   *
   * <p>The pair's own count may have fallen since, but never risen: the first of the queue whose
   * count still holds is the most frequent pair of all.
   */
  private record Candidate(Pair pair, long count) {}

  private final TokenizerSettings settings;
  private final PairCounts pairs;
  private final PriorityQueue<Candidate> queue;
  private final List<byte[]> tokens = new ArrayList<>();
  private final List<Merge> merges = new ArrayList<>();

  private TokenizerTrainer(WordCounts words, TokenizerSettings settings) {
    this.settings = settings;
    settings.specialTokens().forEach(token -> tokens.add(Utf8.encode(token)));
    pairs = new PairCounts(words, addAlphabet(), settings.vocabularySize());
    queue = new PriorityQueue<>(this::compare);
    pairs.takeArisen().forEach(this::offer);
  }

  /**
   * Learns from all texts.
   *
   * @param publicTexts UTF-8, each a document of its own; broken UTF-8 counts as U+FFFD
   * @return as many tokens as were asked for, or fewer if no pair is frequent enough any more
   * @throws InputException if there is no text but white space, or the distinct words have over a
   *     64th of the largest Java heap
   */
  public static TrainedVocabulary train(Iterator<byte[]> publicTexts, TokenizerSettings settings) {
    return new TokenizerTrainer(countWords(publicTexts, settings), settings).learn();
  }

  private static WordCounts countWords(Iterator<byte[]> texts, TokenizerSettings settings) {
    List<AddedToken> special = new ArrayList<>();
    for (String token : settings.specialTokens()) {
      special.add(new AddedToken(special.size(), token, true));
    }
    AddedTokens cuts = new AddedTokens(special);
    PreTokenizer preTokenizer = settings.preTokenizer();
    WordCounts words = new WordCounts(roomForWords());
    while (texts.hasNext()) {
      byte[] text = Utf8.repair(texts.next());
      int at = 0;
      while (at < text.length) {
        int next = cuts.next(text, at);
        preTokenizer.split(text, at, next, (from, to) -> words.add(text, from, to));
        at = next + (int) cuts.match(text, next);
      }
    }
    if (words.isBlank()) {
      throw new InputException("the texts are blank; give public text to learn tokens from");
    }
    return words;
  }

  private static int roomForWords() {
    return (int) Math.min(WordCounts.MAX_BYTES, Runtime.getRuntime().maxMemory() / HEAP_BYTES);
  }

  /**
   * Gives the bytes their tokens, in the order of the characters that stand for them, as other
   * trainers do.
   *
   * @return token of each byte
   */
  private int[] addAlphabet() {
    int[] tokenOfByte = new int[256];
    IntStream.range(0, 256)
        .boxed()
        .sorted(Comparator.comparing(ByteAlphabet::character))
        .forEach(b -> tokenOfByte[b] = add(new byte[] {b.byteValue()}));
    return tokenOfByte;
  }

  /** Adds a token and returns its id. */
  private int add(byte[] token) {
    tokens.add(token);
    return tokens.size() - 1;
  }

  private TrainedVocabulary learn() {
    while (tokens.size() < settings.vocabularySize() && !queue.isEmpty()) {
      Candidate candidate = queue.poll();
      if (candidate.count() == candidate.pair().count()) {
        merge(candidate.pair());
      } else {
        offer(candidate.pair());
      }
    }
    int special = settings.specialTokens().size();
    List<String> spelled = new ArrayList<>(settings.specialTokens());
    tokens.stream().skip(special).map(ByteAlphabet::spell).forEach(spelled::add);
    return new TrainedVocabulary(settings, spelled, merges);
  }

  private void merge(Pair pair) {
    byte[] left = tokens.get(pair.left);
    byte[] right = tokens.get(pair.right);
    byte[] token = Arrays.copyOf(left, left.length + right.length);
    System.arraycopy(right, 0, token, left.length, right.length);
    merges.add(new Merge(ByteAlphabet.spell(left), ByteAlphabet.spell(right)));
    pairs.merge(pair, add(token));
    pairs.takeArisen().forEach(this::offer);
  }

  private void offer(Pair pair) {
    if (pair.count() >= settings.minimumFrequency()
        && pairs.mergedLength(pair) <= TokenizerJson.MAX_TOKEN_CHARACTERS) {
      queue.add(new Candidate(pair, pair.count()));
    }
  }

  /** The candidate to merge first is the least. */
  private int compare(Candidate a, Candidate b) {
    int order = Long.compare(b.count, a.count);
    if (order == 0) {
      order = Arrays.compareUnsigned(tokens.get(b.pair.left), tokens.get(a.pair.left));
    }
    if (order == 0) {
      order = Arrays.compareUnsigned(tokens.get(b.pair.right), tokens.get(a.pair.right));
    }
    return order;
  }
}
