package palimpsest.privacy;

import java.util.Set;
import java.util.stream.Collectors;

/** Something about the data that its owner declared public, so that the guarantee leaves it out. */
public enum Waiver {
  /** The number of records. */
  SIZE_IS_PUBLIC(
      "the number of records",
      "its owner declared it public, and the settings of the run follow from it. The guarantee compares outputs at these settings; the settings themselves tell the number."),
  /** The label names. */
  LABELS_ARE_PUBLIC(
      "the names of the labels",
      "their owner declared them public, and the output shows them. The guarantee compares outputs for this list; the list itself tells which labels occur.");

  private final String what;
  private final String how;

  Waiver(String what, String how) {
    this.what = what;
    this.how = how;
  }

  /** What the statement says of it. */
  public String sentence() {
    return Character.toUpperCase(what.charAt(0)) + what.substring(1) + ": " + how;
  }

  /**
   * What must stand beside a total over runs with waivers, without a full stop.
   *
   * @param waivers of all the runs, not empty
   */
  public static String qualification(Set<Waiver> waivers) {
    return "Not covered by this total, in one run or more: "
        + waivers.stream().sorted().map(waiver -> waiver.what).collect(Collectors.joining("; "));
  }
}
