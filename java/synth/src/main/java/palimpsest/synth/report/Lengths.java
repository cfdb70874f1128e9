package palimpsest.synth.report;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Lengths of texts as columns: classes of equal width, the last open. */
public final class Lengths {
  private static final int CLASSES = 16;

  /** The share of the longest set that may fall into the open class. */
  private static final double OPEN = 0.02;

  private Lengths() {}

  /**
   * Shares of each set.
   *
   * @param unit of the lengths, in the plural
   * @param lengths of each set's texts, at least one a set
   */
  public static Block.Columns of(String unit, Map<Block.Side, int[]> lengths) {
    int long98 = lengths.values().stream().mapToInt(set -> quantile(set, 1 - OPEN)).max().orElse(0);
    int width = Math.max(1, Math.ceilDiv(long98 + 1, CLASSES - 1));
    Map<Block.Side, double[]> shares = new LinkedHashMap<>();
    lengths.forEach((side, set) -> {
      double[] counts = new double[CLASSES];
      for (int length : set) {
        counts[Math.min(CLASSES - 1, length / width)] += 1.0 / set.length;
      }
      shares.put(side, counts);
    });
    List<String> classes = new ArrayList<>();
    for (int i = 0; i < CLASSES - 1; i++) {
      classes.add(width == 1 ? "" + i : i * width + "-" + ((i + 1) * width - 1));
    }
    classes.add((CLASSES - 1) * width + "+");
    return new Block.Columns(unit + " a text", classes, shares);
  }

  private static int quantile(int[] set, double share) {
    int[] sorted = set.clone();
    Arrays.sort(sorted);
    return sorted[Math.min(sorted.length - 1, (int) (share * sorted.length))];
  }
}
