/**
 * Texts out of a decoder: sampling of many streams at once, and log-probabilities of given texts.
 */
package palimpsest.engine.generate;
