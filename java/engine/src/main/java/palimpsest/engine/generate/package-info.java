/**
 * Texts out of a decoder, and what models make of given texts: sampling of many streams at once,
 * log-probabilities, and the logits of classifiers.
 */
package palimpsest.engine.generate;
