/**
 * From a file of private records to token ids and back: {@link palimpsest.synth.text.Records}
 * reads, {@link palimpsest.synth.text.Template} puts a public prompt around each record, {@link
 * palimpsest.synth.text.Tokenizer} gives the ids. Every function of private text here is total, and
 * no message tells of one record.
 *
 * <p>Apart from that, and from public texts only, {@link palimpsest.synth.text.TokenizerTrainer}
 * learns a new tokenizer.
 */
package palimpsest.synth.text;
