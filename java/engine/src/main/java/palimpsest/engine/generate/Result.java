package palimpsest.engine.generate;

/**
 * A sampled text.
 *
 * @param index its request's
 * @param tokens without prefix and end token
 * @param ended whether an end token closed it; if not, it was cut at the greatest length
 */
public record Result(int index, int[] tokens, boolean ended) {}
