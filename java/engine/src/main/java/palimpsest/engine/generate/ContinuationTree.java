package palimpsest.engine.generate;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Continuations of one context as a prefix tree, laid out as rows to be read together: each row is
 * a node, that is the context's last token or a token after which some continuation goes on. Runs
 * of rows are streams of their own, each a path's part that no earlier run has.
 */
final class ContinuationTree {
  /**
   * New rows of one stream.
   *
   * @param depth of the first row; the stream's rows above it are {@code shared}
   * @param shared rows of earlier runs on the path, from the root
   * @param tokens which the rows read
   */
  record Run(int depth, int[] shared, int[] tokens) {}

  /** The probability of {@code token} after {@code row} belongs to continuation {@code owner}. */
  record Target(int row, int token, int owner) {}

  private final List<Run> runs = new ArrayList<>();
  private final List<Target> targets = new ArrayList<>();
  private int rows;

  private ContinuationTree() {}

  List<Run> runs() {
    return runs;
  }

  /** By row, from the root down. */
  List<Target> targets() {
    return targets;
  }

  int rows() {
    return rows;
  }

  /**
   * Puts the continuations into as few trees as the limits allow, neighbours in the order of their
   * tokens together.
   *
   * @param root the last token of the context
   * @param maxRows of a tree, not less than the longest continuation
   * @param maxRuns of a tree
   */
  static List<ContinuationTree> grow(
      List<int[]> continuations, int root, int maxRows, int maxRuns) {
    List<ContinuationTree> trees = new ArrayList<>();
    int[] order =
        IntStream.range(0, continuations.size())
            .filter(i -> continuations.get(i).length > 0)
            .boxed()
            .sorted((a, b) -> Arrays.compare(continuations.get(a), continuations.get(b)))
            .mapToInt(Integer::intValue)
            .toArray();
    ContinuationTree tree = null;
    int[] path = new int[maxRows];
    int[] previous = {};
    for (int owner : order) {
      int[] tokens = continuations.get(owner);
      int shared = shared(previous, tokens);
      if (tree == null
          || tree.rows + tokens.length - shared > maxRows
          || tree.runs.size() == maxRuns && shared < tokens.length) {
        tree = new ContinuationTree();
        trees.add(tree);
        shared = 0;
      }
      tree.add(tokens, owner, root, shared, path);
      previous = tokens;
    }
    trees.forEach(t -> t.targets.sort(Comparator.comparingInt(Target::row)));
    return trees;
  }

  /** How many rows of the next path the previous one has already: the root and common tokens. */
  private static int shared(int[] previous, int[] tokens) {
    int common = Arrays.mismatch(previous, tokens);
    int through = common < 0 ? tokens.length : common + 1;
    return Math.min(through, Math.min(previous.length, tokens.length));
  }

  /** Row d of a path of n tokens reads token d - 1 (the root at d = 0) and predicts token d. */
  private void add(int[] tokens, int owner, int root, int shared, int[] path) {
    if (shared < tokens.length) {
      int[] read = new int[tokens.length - shared];
      for (int d = shared; d < tokens.length; d++) {
        read[d - shared] = d == 0 ? root : tokens[d - 1];
        path[d] = rows++;
      }
      runs.add(new Run(shared, Arrays.copyOf(path, shared), read));
    }
    for (int d = 0; d < tokens.length; d++) {
      targets.add(new Target(path[d], tokens[d], owner));
    }
  }
}
