package palimpsest.synth.text;

/**
 * A token outside the merges, cut out of the text before anything else.
 *
 * @param special a control token: text of a private record never becomes one
 */
record AddedToken(int id, String content, boolean special) {}
