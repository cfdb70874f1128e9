package palimpsest.privacy;

/** Something about the data that its owner declared public, so that the guarantee leaves it out. */
public enum Waiver {
  /** The number of records. */
  SIZE_IS_PUBLIC(
      "The number of records: its owner declared it public, and the settings of the run follow from it. The guarantee compares outputs at these settings; the settings themselves tell the number."),
  /** The label names and how often each occurs. */
  LABELS_ARE_PUBLIC(
      "The label names and their frequencies: their owner declared them public, and the output shows them."),
  /** Figures that were computed from private data without noise and shown to the operator. */
  NON_PRIVATE_METRICS(
      "Training figures shown to the operator: they were computed without noise, on request, and must not be passed on.");

  private final String sentence;

  Waiver(String sentence) {
    this.sentence = sentence;
  }

  /** What the statement says of it. */
  public String sentence() {
    return sentence;
  }
}
