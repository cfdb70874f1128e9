package palimpsest.engine.model;

import java.util.Arrays;
import palimpsest.engine.kernel.Spans;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * Whole examples side by side, row after row, without padding: what one worker takes through the
 * model at a time. An example of T + 1 tokens has T rows; row t reads token t and predicts token t
 * + 1. Only the predictions of the text, not of the prefix, have weight (Prefix-LM loss), each 1 /
 * (number of weighted tokens of its own example), so an example's loss depends on that example
 * alone.
 *
 * <p>A soft prompt of m virtual tokens stands in front of each example that has a row, which then
 * has m more; none of them is ever a target.
 */
public final class TokenGroup {
  private final int maxRows;
  private final int maxExamples;
  private final int[] prompt;
  private final Tensor ids;
  private final Tensor positions;
  private final Tensor spans;
  private final Tensor headRows;
  private final Tensor headTargets;
  private final Tensor headWeights;
  private final int[] rowStart;
  private final int[] headStart;
  private int rows;
  private int examples;
  private int weighted;

  /**
   * @param wide the type that weights are kept in
   * @param arena holds the group
   */
  public TokenGroup(int maxRows, int maxExamples, DType wide, TensorArena arena) {
    this(maxRows, maxExamples, new int[0], wide, arena);
  }

  /**
   * @param prompt ids of the virtual tokens in front of each example
   * @param wide the type that weights are kept in
   * @param arena holds the group
   */
  public TokenGroup(int maxRows, int maxExamples, int[] prompt, DType wide, TensorArena arena) {
    this.prompt = prompt.clone();
    this.maxRows = maxRows;
    this.maxExamples = maxExamples;
    ids = arena.allocate(DType.I32, maxRows);
    positions = arena.allocate(DType.I32, maxRows);
    spans = Spans.allocate(maxExamples, arena);
    headRows = arena.allocate(DType.I32, maxRows);
    headTargets = arena.allocate(DType.I32, maxRows);
    headWeights = arena.allocate(wide, maxRows);
    rowStart = new int[maxExamples + 1];
    headStart = new int[maxExamples + 1];
  }

  /** Empties the group. */
  public void clear() {
    rows = 0;
    examples = 0;
    weighted = 0;
  }

  /** Rows that an example of so many tokens takes, those of the prompt included. */
  public int rowsOf(int tokens) {
    return tokens < 2 ? 0 : prompt.length + tokens - 1;
  }

  /** Whether an example of so many tokens still fits. */
  public boolean fits(int tokens) {
    return examples < maxExamples && rows + rowsOf(tokens) <= maxRows;
  }

  /**
   * Adds an example.
   *
   * @param tokens prefix, text and end token
   * @param prefix how many of the tokens are prefix: their predictions have no weight
   */
  public void add(int[] tokens, int prefix) {
    int from = Math.max(prefix, 1);
    double weight = tokens.length > from ? 1.0 / (tokens.length - from) : 0;
    double[] weights = new double[tokens.length];
    Arrays.fill(weights, Math.min(from, tokens.length), tokens.length, weight);
    add(tokens, weights);
  }

  /**
   * Adds an example with a weight for each token as a target; token 0 is never one.
   *
   * @param weights as many as tokens; they are used as they stand
   */
  public void add(int[] tokens, double[] weights) {
    if (!fits(tokens.length)) {
      throw new IllegalStateException("the group is full");
    }
    int length = rowsOf(tokens.length);
    Spans.set(spans, examples, rows, length, rows, length);
    rowStart[examples] = rows;
    headStart[examples] = weighted;
    for (int t = 0; t < length; t++) {
      int target = t - prompt.length + 1;
      ids.set(rows + t, target > 0 ? tokens[target - 1] : prompt[t]);
      positions.set(rows + t, t);
      if (target > 0 && weights[target] != 0) {
        headRows.set(weighted, rows + t);
        headTargets.set(weighted, tokens[target]);
        headWeights.set(weighted, weights[target]);
        weighted++;
      }
    }
    rows += length;
    examples++;
    rowStart[examples] = rows;
    headStart[examples] = weighted;
  }

  public int rows() {
    return rows;
  }

  public int examples() {
    return examples;
  }

  public int maxRows() {
    return maxRows;
  }

  public int maxExamples() {
    return maxExamples;
  }

  /** Rows whose prediction has weight. */
  public int weightedRows() {
    return weighted;
  }

  /** First row of an example; that of {@code examples()} is the end of the last. */
  public int rowStart(int example) {
    return rowStart[example];
  }

  /** First weighted row of an example, counted among weighted rows. */
  public int headStart(int example) {
    return headStart[example];
  }

  /** The tokens that the rows read, I32 [rows]. */
  public Tensor ids() {
    return ids.reshape(rows);
  }

  /** The positions of the rows in their examples, I32 [rows]. */
  public Tensor positions() {
    return positions.reshape(rows);
  }

  Spans spans() {
    return new Spans(spans, examples);
  }

  /** Where the i-th weighted row lies among all rows. */
  int headRow(int i) {
    return (int) headRows.get(i);
  }

  /** Targets of weighted rows [first, first + count). */
  Tensor headTargets(long first, long count) {
    return headTargets.reshape(maxRows, 1).rows(first, count).reshape(count);
  }

  /** Weights of weighted rows [first, first + count). */
  Tensor headWeights(long first, long count) {
    return headWeights.reshape(maxRows, 1).rows(first, count).reshape(count);
  }
}
