package palimpsest.cli;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import palimpsest.privacy.Accountant;
import palimpsest.privacy.EpsilonBracket;
import palimpsest.privacy.Ledger;
import palimpsest.privacy.LedgerRecord;
import palimpsest.privacy.PrivacyEvent;
import palimpsest.privacy.Waiver;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The runs of a data set and what they cost together, recomputed from the recorded events. */
@Command(
    name = "show",
    description = "The runs of a data set, and what they cost together.",
    footer = {"", "Example: palimpsest ledger show tickets --delta 1e-6"})
final class LedgerShowCommand extends Verb {
  private static final double DEFAULT_DELTA = 1e-6;

  @Mixin private LedgerOptions ledger;

  @Option(
      names = "--delta",
      paramLabel = "D",
      description = "Delta of the total; by default the cap's, or else the latest run's.")
  private Double delta;

  @Override
  public Integer call() {
    if (delta != null && !(delta > 0 && delta < 1)) {
      throw new IllegalArgumentException("--delta is " + delta + ", must be in (0, 1)");
    }
    ledger.requireExisting();
    List<LedgerRecord> records = Ledger.read(ledger.directory(), ledger.dataSet());
    Account account = Account.of(records, Optional.ofNullable(delta));
    print(account.fields(), account.text());
    return ExitCode.DONE;
  }

  /** A training run and the steps that it paid for. */
  private record Run(LedgerRecord.RunStart start, long steps, String ending) {}

  /** What the records say, in total. */
  private record Account(
      LedgerRecord.Genesis genesis,
      Optional<LedgerRecord.Cap> cap,
      List<Run> runs,
      List<LedgerRecord.Release> releases,
      double delta,
      EpsilonBracket spent,
      Set<Waiver> waivers) {

    static Account of(List<LedgerRecord> records, Optional<Double> askedDelta) {
      LedgerRecord.Genesis genesis = only(records, LedgerRecord.Genesis.class).getFirst();
      List<LedgerRecord.RunStart> starts = only(records, LedgerRecord.RunStart.class);
      Optional<LedgerRecord.Cap> cap = last(only(records, LedgerRecord.Cap.class));
      double delta =
          askedDelta
              .or(() -> cap.map(LedgerRecord.Cap::delta))
              .or(() -> last(starts).map(start -> start.spec().delta()))
              .orElse(DEFAULT_DELTA);
      List<PrivacyEvent> events = Ledger.events(records);
      EpsilonBracket spent =
          events.isEmpty()
              ? new EpsilonBracket(0, 0, 0)
              : Accountant.of(genesis.relation(), events).epsilon(delta);
      return new Account(
          genesis,
          cap,
          starts.stream().map(start -> run(start, records)).toList(),
          only(records, LedgerRecord.Release.class),
          delta,
          spent,
          Ledger.waivers(records));
    }

    private static Run run(LedgerRecord.RunStart start, List<LedgerRecord> records) {
      long steps =
          only(records, LedgerRecord.Step.class).stream()
              .filter(step -> step.run().equals(start.run()))
              .count();
      String ending =
          only(records, LedgerRecord.RunEnd.class).stream()
              .filter(end -> end.run().equals(start.run()))
              .findFirst()
              .map(_ -> "completed")
              .orElse("no end recorded");
      return new Run(start, steps, ending);
    }

    private static <T> List<T> only(List<LedgerRecord> records, Class<T> kind) {
      return records.stream().filter(kind::isInstance).map(kind::cast).toList();
    }

    private static <T> Optional<T> last(List<T> list) {
      return list.isEmpty() ? Optional.empty() : Optional.of(list.getLast());
    }

    Map<String, Object> fields() {
      Map<String, Object> fields = new LinkedHashMap<>();
      fields.put("data_set", genesis.dataSet());
      fields.put("unit", genesis.unit().name().toLowerCase(Locale.ROOT));
      fields.put("relation", MechanismOptions.name(genesis.relation()));
      fields.put("epsilon", spent.upper());
      fields.put("epsilon_lower_bound", spent.lower());
      fields.put("delta", delta);
      cap.ifPresent(
          limit -> fields.put("cap", Map.of("epsilon", limit.epsilon(), "delta", limit.delta())));
      List<Map<String, Object>> rows = new ArrayList<>();
      for (Run run : runs) {
        Map<String, Object> row = new LinkedHashMap<>();
        row.put("run", run.start().run());
        row.put("noise_multiplier", run.start().spec().noiseMultiplier());
        row.put("clip_rule", run.start().spec().clipRule().words());
        row.put("rate", run.start().spec().samplingRate());
        row.put("steps", run.steps());
        row.put("planned_steps", run.start().spec().steps());
        row.put("rows", run.start().terms().rows());
        row.put("waivers", names(run.start().terms().waivers()));
        row.put("private", !run.start().insecure() && !run.start().spec().nonPrivate());
        row.put("ending", run.ending());
        rows.add(row);
      }
      fields.put("runs", rows);
      fields.put("releases", releases.stream().map(LedgerRecord.Release::what).toList());
      fields.put("waivers", names(waivers));
      return fields;
    }

    private static List<String> names(Set<Waiver> waivers) {
      return waivers.stream().sorted().map(Waiver::name).toList();
    }

    String text() {
      StringBuilder text = new StringBuilder();
      text.append(
          "%s, by %s, %s neighbours%n"
              .formatted(
                  genesis.dataSet(),
                  genesis.unit().name().toLowerCase(Locale.ROOT),
                  MechanismOptions.name(genesis.relation())));
      runs.stream()
          .map(run -> run.start().terms().rows())
          .distinct()
          .forEach(rows -> text.append(rows).append('\n'));
      for (Run run : runs) {
        boolean isPrivate = !run.start().insecure() && !run.start().spec().nonPrivate();
        text.append(
            "run %s: %d of %d steps, noise %s, rate %.4g, %s%s%nclip rule: %s%n"
                .formatted(
                    run.start().run(),
                    run.steps(),
                    run.start().spec().steps(),
                    Numbers.lower(run.start().spec().noiseMultiplier()),
                    run.start().spec().samplingRate(),
                    run.ending(),
                    isPrivate ? "" : ", NOT PRIVATE",
                    run.start().spec().clipRule().words()));
      }
      releases.forEach(release -> text.append("release: ").append(release.what()).append('\n'));
      text.append("spent: epsilon %s at delta %s".formatted(Numbers.upper(spent.upper()), delta));
      cap.ifPresent(limit ->
          text.append(
              "; the owner's cap is %s at delta %s"
                  .formatted(Numbers.lower(limit.epsilon()), limit.delta())));
      if (!runs.isEmpty()) {
        text.append(
            "%nif no run was planned or given up in view of what was released or stored before"
                .formatted());
      }
      if (!waivers.isEmpty()) {
        text.append('\n').append(Waiver.qualification(waivers));
      }
      return text.toString();
    }
  }
}
