package palimpsest.privacy;

import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.Set;

/**
 * What may be said about the privacy of a run, in words for a data custodian and as data for {@code
 * privacy.json}. An epsilon never stands alone: relation, unit, delta, sampler and what is not
 * covered come with it. Epsilon and delta are shown rounded up, the lower bound of epsilon down.
 *
 * @param dataSet the owner's name of the data
 * @param baseModel name of the pretrained model, to which the guarantee is relative
 * @param spec the mechanism of the run; whose presence is protected stands in it alone
 * @param stepsPaid noisy updates that the ledger counts for the run
 * @param labelCounts the run's release of label counts, if it made one; {@code epsilon} includes it
 * @param epsilon what the run costs at {@code spec.delta()}, with all it released
 * @param insecureKey whether the run's key is known to others
 * @param waivers what the owner declared public
 * @param account the data set's whole account at the same delta, this run included
 */
public record Statement(
    String dataSet,
    String baseModel,
    MechanismSpec spec,
    long stepsPaid,
    Optional<LabelCounts> labelCounts,
    EpsilonBracket epsilon,
    boolean insecureKey,
    Set<Waiver> waivers,
    Account account) {
  private static final int DIGITS = 4;

  /**
   * A noisy count of the records of each label.
   *
   * @param noise standard deviation of each count's noise, in records
   * @param lost whether a crash took the counts after they were paid for
   */
  public record LabelCounts(double noise, boolean lost) {}

  /**
   * All runs of a data set together.
   *
   * @param total what they cost
   * @param waivers what the owner declared public in any of them
   * @param head end of the ledger: with it, a later loss of records shows
   */
  public record Account(EpsilonBracket total, Set<Waiver> waivers, LedgerHead head) {
    /** Checks that nothing is missing. */
    public Account {
      Objects.requireNonNull(total, "total");
      Objects.requireNonNull(head, "head");
      waivers = waivers.isEmpty() ? Set.of() : Set.copyOf(EnumSet.copyOf(waivers));
    }
  }

  /**
   * Checks that the parts belong together.
   *
   * @throws IllegalArgumentException if the total is below the run, or the account does not know of
   *     what the run declared public
   */
  public Statement {
    Objects.requireNonNull(dataSet, "dataSet");
    Objects.requireNonNull(baseModel, "baseModel");
    waivers = waivers.isEmpty() ? Set.of() : Set.copyOf(EnumSet.copyOf(waivers));
    if (!account.waivers().containsAll(waivers)) {
      throw new IllegalArgumentException(
          "privacy statement: the run declared more public than its account holds");
    }
    if (account.total().upper() < epsilon.lower()) {
      throw new IllegalArgumentException(
          "privacy statement: the account's total is below the cost of one of its runs");
    }
    if (stepsPaid < 0) {
      throw new IllegalArgumentException("privacy statement: steps cannot be negative");
    }
  }

  /**
   * Whether there is nothing to promise: no finite epsilon, no noise, or a key that others know.
   */
  public boolean nonPrivate() {
    return spec.nonPrivate() || insecureKey || Double.isInfinite(epsilon.upper());
  }

  /** The statement in plain language, ending with a line break. */
  public String text() {
    List<String> lines = new ArrayList<>();
    lines.add(nonPrivate() ? nonPrivateHeadline() : headline());
    lines.add("");
    if (!nonPrivate()) {
      lines.addAll(meaning());
      lines.add("");
    }
    lines.add("How it was made");
    how().forEach(line -> lines.add("- " + line));
    lines.add("");
    lines.add("What is not covered");
    notCovered().forEach(line -> lines.add("- " + line));
    lines.add("");
    lines.add("The account of this data set (" + dataSet + ")");
    accountInWords().forEach(line -> lines.add("- " + line));
    return String.join("\n", lines) + "\n";
  }

  private String nonPrivateHeadline() {
    String why =
        insecureKey
            ? "its random key is known to others, so its noise can be removed"
            : spec.nonPrivate() ? "it was made without noise" : "no finite epsilon bounds it";
    return "NON-PRIVATE: this output carries no privacy guarantee, because " + why + ".";
  }

  private String headline() {
    return "Differential privacy with epsilon "
        + up(epsilon.upper())
        + " and delta "
        + up(spec.delta())
        + ", for "
        + change()
        + ".";
  }

  private boolean protectsPeople() {
    return spec.unit() == ProtectedUnit.USER;
  }

  private String change() {
    String one = protectsPeople() ? "one person" : "one record";
    return spec.relation() == NeighbouringRelation.ADD_REMOVE
        ? one + " being in the data or not"
        : one + " being replaced by another";
  }

  private List<String> meaning() {
    double odds = Math.exp(epsilon.upper());
    if (Double.isInfinite(odds)) {
      return List.of(
          "What this means. Nothing: an epsilon of this size rules out no guess, however good.");
    }
    double right = (odds + spec.delta()) / (odds + 1);
    return List.of(
        "What this means. Compare two worlds that differ only in " + change() + ".",
        "Whatever someone looks for in the trained weights, or in any amount of text generated from them,",
        "and whatever else is known: the probability of finding it in one world is at most "
            + up(odds)
            + " times that in the",
        "other, plus "
            + up(spec.delta())
            + ". So a guess which of the two it is, both equally likely before, is right at most",
        up(100 * Math.min(1, right)) + " % of the time.",
        "What is common to many records can be learned from the output; that is its purpose.");
  }

  private List<String> how() {
    List<String> lines = new ArrayList<>();
    lines.add("Unit of protection: " + unitInWords() + ".");
    lines.add("Neighbouring relation: " + relationInWords() + ".");
    lines.add(
        "Sampling: Poisson; each record takes part in each step independently with probability "
            + (spec.samplesEveryRecord()
                ? "1"
                : Long.toUnsignedString(spec.samplingThreshold())
                    + " / 2^64 (about "
                    + plain(spec.samplingRate())
                    + ")")
            + "; who took part stays secret.");
    lines.add("Steps: " + stepsPaid + " of " + spec.steps() + " planned.");
    boolean moves = spec.clipRule() instanceof ClipRule.Quantile;
    lines.add(
        "Clipping: the contribution of each record is bounded by "
            + (moves ? "C, at the first step " : "")
            + plain(spec.clipNorm())
            + ", verified in exact integer arithmetic.");
    lines.add("Clip rule: " + spec.clipRule().words() + ".");
    lines.add(
        "Noise: Gaussian, rounded to the grid exactly, "
            + plain(spec.sumNoiseMultiplier())
            + " times the bound"
            + (moves && !spec.nonPrivate()
                ? ", which with the count costs what "
                    + plain(spec.noiseMultiplier())
                    + " alone does"
                : "")
            + "; sums are divided by the fixed expected batch of "
            + spec.expectedBatch()
            + ".");
    labelCounts.map(Statement::countsInWords).ifPresent(lines::add);
    if (!nonPrivate()) {
      lines.add(
          "Accounting: the smallest true epsilon lies between "
              + down(epsilon.lower())
              + " and "
              + up(epsilon.upper())
              + " (privacy loss distributions, both bounds guaranteed); Renyi accounting, independently, gives at most "
              + up(epsilon.renyi())
              + ".");
    }
    return lines;
  }

  private static String countsInWords(LabelCounts counts) {
    String paid =
        "Label counts: the number of records of each label, once, with rounded Gaussian noise of "
            + plain(counts.noise())
            + " records; epsilon includes it. ";
    return paid
        + (counts.lost()
            ? "A crash took the counts after they were paid for: labels have their public weights."
            : "Synthetic records have their labels in these shares.");
  }

  private String unitInWords() {
    if (!protectsPeople()) {
      return "a record";
    }
    return spec.recordsPerUser() == 1
        ? "a person, with at most 1 record"
        : "a person, with at most " + spec.recordsPerUser() + " records each";
  }

  private String relationInWords() {
    return spec.relation() == NeighbouringRelation.ADD_REMOVE
        ? "add or remove one " + noun()
        : "replace one " + noun();
  }

  private String noun() {
    return protectsPeople() ? "person" : "record";
  }

  private List<String> notCovered() {
    List<String> lines = new ArrayList<>();
    if (!protectsPeople()) {
      lines.add(
          "A person with several records: the guarantee is for each record, and weakens with their number.");
    }
    lines.add(
        "The base model "
            + baseModel
            + ": nothing is known of how far its public training text holds this data already; the guarantee is relative to it.");
    lines.add(
        "Timing, memory, power and other side channels, and the machine that the run was made on.");
    lines.add(
        "Choices made by looking at the data outside the ledger: settings tried, prompts, filters, other releases.");
    waivers.stream().sorted().map(Waiver::sentence).forEach(lines::add);
    lines.add("An adversary who can break the ChaCha20 cipher, or who has the run's secret key.");
    return lines;
  }

  private List<String> accountInWords() {
    EpsilonBracket total = account.total();
    LedgerHead head = account.head();
    String sum =
        Double.isInfinite(total.upper())
            ? "no finite epsilon: a run on this data was not private"
            : "epsilon "
                + up(total.upper())
                + " at delta "
                + up(spec.delta())
                + ", over all runs so far, if none was planned or given up in view of what was released or stored before";
    List<String> lines = new ArrayList<>();
    lines.add("Total: " + sum + ".");
    if (!account.waivers().isEmpty()) {
      lines.add(Waiver.qualification(account.waivers()) + ".");
    }
    lines.add("Ledger: " + head.count() + " records, the last with hash " + head.hash() + ".");
    return lines;
  }

  /**
   * The content of {@code privacy.json}: strings, numbers, booleans and lists of strings, in a
   * fixed order. An infinite epsilon is the string {@code infinity}.
   */
  public SequencedMap<String, Object> content() {
    SequencedMap<String, Object> content = new LinkedHashMap<>();
    content.put("private", !nonPrivate());
    content.put("dataSet", dataSet);
    content.put("unit", spec.unit().name().toLowerCase(Locale.ROOT));
    content.put("recordsPerUser", spec.recordsPerUser());
    content.put("relation", spec.relation().words());
    content.put("epsilon", number(nonPrivate() ? Double.POSITIVE_INFINITY : epsilon.upper()));
    content.put("epsilonLower", number(nonPrivate() ? Double.POSITIVE_INFINITY : epsilon.lower()));
    content.put("epsilonRenyi", number(nonPrivate() ? Double.POSITIVE_INFINITY : epsilon.renyi()));
    content.put("delta", spec.delta());
    content.put("mechanism", spec.nonPrivate() ? "none" : "rounded-gaussian");
    content.put("clipping", "verified-integer");
    content.put("sampler", "poisson");
    content.put(
        "samplingThreshold",
        spec.samplesEveryRecord()
            ? "18446744073709551616"
            : Long.toUnsignedString(spec.samplingThreshold()));
    content.put("samplingRate", spec.samplingRate());
    content.put("steps", stepsPaid);
    content.put("stepsPlanned", spec.steps());
    content.put("noiseMultiplier", spec.noiseMultiplier());
    content.put("clipNorm", number(spec.clipNorm()));
    content.put("clipRule", spec.clipRule().id());
    content.put("clipRuleInWords", spec.clipRule().words());
    content.put("sumNoiseMultiplier", spec.sumNoiseMultiplier());
    content.put("expectedBatch", spec.expectedBatch());
    content.put("labelNoise", labelCounts.<Object>map(LabelCounts::noise).orElse("none"));
    content.put("insecureKey", insecureKey);
    content.put("waivers", names(waivers));
    content.put("notCovered", notCovered());
    content.put("totalEpsilon", number(account.total().upper()));
    content.put("totalEpsilonLower", number(account.total().lower()));
    content.put("totalWaivers", names(account.waivers()));
    content.put("ledgerRecords", account.head().count());
    content.put("ledgerHash", account.head().hash());
    return content;
  }

  private static List<String> names(Set<Waiver> waivers) {
    return waivers.stream().sorted().map(Waiver::name).toList();
  }

  private static Object number(double value) {
    return Double.isInfinite(value) ? "infinity" : (Object) value;
  }

  private static String up(double value) {
    return rounded(value, RoundingMode.CEILING);
  }

  private static String down(double value) {
    return rounded(value, RoundingMode.FLOOR);
  }

  private static String plain(double value) {
    return rounded(value, RoundingMode.HALF_EVEN);
  }

  /** Four significant digits, without a needless tail of zeros. */
  private static String rounded(double value, RoundingMode mode) {
    if (Double.isInfinite(value)) {
      return "infinity";
    }
    BigDecimal number = new BigDecimal(Double.toString(value)).round(new MathContext(DIGITS, mode));
    boolean small = number.signum() != 0 && number.precision() - number.scale() < -3;
    return small
        ? number.stripTrailingZeros().toString()
        : number.signum() == 0 ? "0" : number.stripTrailingZeros().toPlainString();
  }
}
