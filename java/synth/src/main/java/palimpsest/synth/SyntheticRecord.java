package palimpsest.synth;

/**
 * One sampled record.
 *
 * @param label index among the public labels
 */
public record SyntheticRecord(int label, String text) {}
