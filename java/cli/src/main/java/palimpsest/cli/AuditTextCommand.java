package palimpsest.cli;

import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import palimpsest.synth.RunSettings;
import palimpsest.synth.TextAudit;
import palimpsest.synth.evaluate.Proportion;
import palimpsest.synth.evaluate.Separation;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Attacks the whole job through its texts; a claim that the attack refutes is exit code 3. */
@Command(
    name = "text",
    description = {
      "Makes the run that synthesize would make, with canaries among the records, each in or not by the toss of a"
          + " coin, and attacks it as an outsider would: which canaries were in, from the synthetic texts alone?",
      "Releases and keeps nothing, and no ledger pays: the figures are for the owner's eyes."
    },
    footer = {
      "",
      "Example: palimpsest audit text --data tickets.csv --text body --label queue --labels queues.txt \\",
      "           --size-bound 6000 --epsilon 8 --records 1000 --canaries 200"
    })
final class AuditTextCommand extends TrainingVerb {
  @Mixin private SamplingOptions sampling;

  @Option(
      names = "--canaries",
      defaultValue = "200",
      paramLabel = "N",
      description = "Canaries, each in the data by the toss of a coin (default 200).")
  private int canaries;

  @Option(
      names = "--repeats",
      defaultValue = "1",
      paramLabel = "R",
      description =
          "How many times a canary that is in is in (default 1); more show what duplicates do and refute nothing.")
  private int repeats;

  @Option(
      names = "--significance",
      defaultValue = "0.05",
      paramLabel = "P",
      description = "How often a sound run may look broken (default 0.05).")
  private double significance;

  @Override
  public Integer call() {
    TextAudit.Attack attack = new TextAudit.Attack(canaries, repeats, significance);
    RunSettings settings = settings();
    TextAudit.Result found;
    try (ProgressListener listener = new ProgressListener(this::progress)) {
      found =
          TextAudit.run(
              base(),
              source(null),
              prompt(),
              settings,
              sampling.settings(),
              execution(settings),
              attack,
              listener);
    }
    print(fields(found), text(found));
    return found.refutesTheClaim() ? ExitCode.REFUSED : ExitCode.DONE;
  }

  private static Map<String, Object> fields(TextAudit.Result found) {
    Separation separation = found.separation();
    Map<String, Object> auc = new LinkedHashMap<>();
    auc.put("value", separation.auc());
    auc.put("lower", separation.lower());
    auc.put("upper", separation.upper());
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("private", true);
    fields.put("note", PRIVATE_FIGURES);
    fields.put("claimed", Double.isInfinite(found.claimed()) ? "infinity" : found.claimed());
    fields.put("shown", found.shown());
    fields.put("delta", found.mechanism().delta());
    fields.put("canaries", found.attack().canaries());
    fields.put("members", found.members());
    fields.put("repeats", found.attack().repeats());
    fields.put("significance", found.attack().significance());
    fields.put("records", found.texts());
    fields.put("auc", auc);
    fields.put("truePositivesAt1Percent", share(separation.foundAtOnePercent()));
    fields.put("truePositivesAt10Percent", share(separation.foundAtTenPercent()));
    fields.put("guessedRight", share(found.guessed()));
    fields.put("leaks", found.leaks());
    fields.put("refuted", found.refutesTheClaim());
    return fields;
  }

  private static Map<String, Object> share(Proportion share) {
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("value", share.value());
    fields.put("lower", share.lower());
    fields.put("upper", share.upper());
    return fields;
  }

  private static String text(TextAudit.Result found) {
    Separation separation = found.separation();
    return """
    %s
    canaries           %d, of which the coins put %d in, %s; the attacker reads %d synthetic texts
    claimed            %s
    shown              epsilon of %s is at least %s, with %s confidence, whatever the mechanism
    told apart (AUC)   %s; 0.5 is chance (intervals are 95 %%)
    members found      %s at 1 %% false positives, %s at 10 %%
    coins guessed      %s right; chance is 50 %%
    verdict            %s
    """
        .formatted(
            PRIVATE_FIGURES,
            found.attack().canaries(),
            found.members(),
            found.attack().repeats() == 1 ? "once" : found.attack().repeats() + " times each",
            found.texts(),
            claim(found),
            unit(found),
            Numbers.lower(found.shown()),
            percent(1 - found.attack().significance()),
            decimal("%.3f [%.3f, %.3f]", separation.auc(), separation.lower(), separation.upper()),
            percent(separation.foundAtOnePercent().value()),
            percent(separation.foundAtTenPercent().value()),
            percent(found.guessed()),
            verdict(found));
  }

  private static String unit(TextAudit.Result found) {
    int repeats = found.attack().repeats();
    return repeats == 1 ? "a record" : repeats + " records";
  }

  private static String claim(TextAudit.Result found) {
    return found.mechanism().nonPrivate()
        ? "nothing: no noise was added"
        : "epsilon of %s is at most %s at delta %s"
            .formatted(unit(found), Numbers.upper(found.claimed()), found.mechanism().delta());
  }

  private static String verdict(TextAudit.Result found) {
    String guess =
        "An attacker who reads the synthetic text and knows the canary guesses right %s of the time; a coin 50 %%. "
            .formatted(percent(found.guessed().value()));
    String leak =
        found.leaks()
            ? "The text tells canaries that were in from those that were not (95 % confidence). "
            : "That the text tells canaries apart at all is not shown (at 95 % confidence). ";
    return guess + leak + judgement(found);
  }

  private static String judgement(TextAudit.Result found) {
    if (found.mechanism().nonPrivate()) {
      return "Nothing is claimed that it could refute.";
    }
    if (found.attack().repeats() > 1) {
      return "The claim that counts is about one record: that of %s follows from it and is weaker, and nothing is refuted."
          .formatted(unit(found));
    }
    return found.refutesTheClaim()
        ? "THE CLAIM IS FALSE here: the attack gained more than it allows. A sound program shows this with"
            + " probability %s at most. Release nothing; report it."
                .formatted(found.attack().significance())
        : "Nothing against the claim; it proves no guarantee, and a better attack may gain more.";
  }

  private static String percent(Proportion share) {
    return decimal(
        "%.1f %% [%.1f, %.1f]", 100 * share.value(), 100 * share.lower(), 100 * share.upper());
  }

  private static String percent(double share) {
    return decimal("%.1f %%", 100 * share);
  }

  private static String decimal(String format, Object... numbers) {
    return String.format(Locale.ROOT, format, numbers);
  }
}
