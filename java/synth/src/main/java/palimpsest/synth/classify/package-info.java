/**
 * Classifiers of texts: what synthetic records are for. {@link
 * palimpsest.synth.classify.Classifier} trains one as anybody would, or by the private step on real
 * records, and predicts labels.
 */
package palimpsest.synth.classify;
