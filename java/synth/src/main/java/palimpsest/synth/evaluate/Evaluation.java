package palimpsest.synth.evaluate;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A synthetic set beside real records. It follows from the real ones without noise, so it is for
 * their owner.
 *
 * @param synthetic how many synthetic records
 * @param real how many real records trained the judge
 * @param agreement how often the judge finds the label that a synthetic text was written for
 * @param ofTest how often the judge finds the label of further real records, if there are any: what
 *     perfect synthesis would get
 * @param diversity of the synthetic texts
 * @param realDiversity of as many real ones, since distinct-n falls as a set grows
 * @param statistics of the synthetic texts
 * @param realStatistics of as many real ones
 * @param divergence of the synthetic texts from as many real ones
 * @param repeated what synthetic texts have word for word from each other; its tokens are words
 * @param copied what they have from the records that their model was tuned on, if those are at hand
 * @param known what those records have word for word from texts that the base model was trained on,
 *     if these are at hand too: no guarantee covers what the base model knew before
 */
public record Evaluation(
    int synthetic,
    int real,
    LabelAgreement agreement,
    Optional<LabelAgreement> ofTest,
    Diversity diversity,
    Diversity realDiversity,
    TextStatistics statistics,
    TextStatistics realStatistics,
    TextDivergence divergence,
    Copying repeated,
    Optional<Copied> copied,
    Optional<Copying> known) {

  /**
   * What texts have word for word from private records.
   *
   * @param bySynthetic of the synthetic texts
   * @param byReal of as many real ones that were in no training set, which share set phrases too
   */
  public record Copied(Copying bySynthetic, Copying byReal) {}

  /** Numbers for words, given as they come. */
  private static final class Dictionary {
    private final Map<String, Integer> numbers = new HashMap<>();

    int[] tokens(String text) {
      return Words.of(text).stream()
          .mapToInt(word -> numbers.computeIfAbsent(word, _ -> numbers.size()))
          .toArray();
    }
  }

  /**
   * Evaluates.
   *
   * @param real records that the synthetic set's model was not tuned on
   * @param test further real records
   * @param tuned the records that it was tuned on
   * @param base texts that the base model was trained on; none if they are not at hand
   */
  public static Evaluation of(
      LabelledTexts synthetic,
      LabelledTexts real,
      Optional<LabelledTexts> test,
      Optional<LabelledTexts> tuned,
      List<String> base) {
    NaiveBayes judge = real.judge();
    List<String> asMany = real.spread(synthetic.size()).texts();
    Dictionary dictionary = new Dictionary();
    return new Evaluation(
        synthetic.size(),
        real.size(),
        LabelAgreement.of(judge, synthetic.texts(), synthetic.labels()),
        test.map(further -> LabelAgreement.of(judge, further.texts(), further.labels())),
        Diversity.of(synthetic.texts()),
        Diversity.of(asMany),
        TextStatistics.of(synthetic.texts()),
        TextStatistics.of(asMany),
        TextDivergence.of(synthetic.texts(), asMany),
        Copying.within(synthetic.texts(), dictionary::tokens),
        tuned.map(records ->
            new Copied(
                Copying.of(synthetic.texts(), records.texts(), dictionary::tokens),
                Copying.of(asMany, records.texts(), dictionary::tokens))),
        tuned
            .filter(_ -> !base.isEmpty())
            .map(records -> Copying.of(records.texts(), base, dictionary::tokens)));
  }
}
