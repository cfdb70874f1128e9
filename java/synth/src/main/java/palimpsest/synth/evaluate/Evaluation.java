package palimpsest.synth.evaluate;

import java.util.Optional;

/**
 * A synthetic set beside real records. It follows from the real ones without noise, so it is for
 * their owner.
 *
 * @param synthetic how many synthetic records
 * @param real how many real records trained the judge
 * @param agreement how often the judge finds the label that a synthetic text was written for
 * @param test how classifiers do on further real records, if there are any
 * @param diversity of the synthetic texts
 * @param realDiversity of as many real ones, since distinct-n falls as a set grows
 */
public record Evaluation(
    int synthetic,
    int real,
    LabelAgreement agreement,
    Optional<Test> test,
    Diversity diversity,
    Diversity realDiversity) {

  /**
   * Naive Bayes on real records that were in no training set.
   *
   * @param agreement of the judge with their labels, label by label; what perfect synthesis would
   *     get
   * @param trainedOnReal accuracy of the judge; what perfect synthesis would get
   * @param trainedOnSynthetic the same classifier trained on the synthetic records
   */
  public record Test(
      LabelAgreement agreement, Proportion trainedOnReal, Proportion trainedOnSynthetic) {}

  /**
   * Evaluates.
   *
   * @param real records that the synthetic set's model was not tuned on
   * @param test further real records
   */
  public static Evaluation of(
      LabelledTexts synthetic, LabelledTexts real, Optional<LabelledTexts> test) {
    NaiveBayes judge = real.judge();
    return new Evaluation(
        synthetic.size(),
        real.size(),
        LabelAgreement.of(judge, synthetic.texts(), synthetic.labels()),
        test.map(further ->
            new Test(
                LabelAgreement.of(judge, further.texts(), further.labels()),
                judge.accuracy(further.texts(), further.labels()),
                synthetic.judge().accuracy(further.texts(), further.labels()))),
        Diversity.of(synthetic.texts()),
        Diversity.of(real.spread(synthetic.size()).texts()));
  }
}
