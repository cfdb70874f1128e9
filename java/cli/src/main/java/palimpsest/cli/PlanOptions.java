package palimpsest.cli;

import java.nio.file.Path;
import palimpsest.engine.model.ModelCache;
import palimpsest.privacy.NeighbouringRelation;
import palimpsest.synth.RunSettings;
import palimpsest.synth.text.InputException;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The public quantities from which the settings of a whole run follow, and its cost. */
final class PlanOptions {
  @Option(
      names = "--model",
      defaultValue = "smollm2-135m",
      paramLabel = "M",
      description = "With --plan: the base model (default smollm2-135m).")
  private String model;

  @Mixin private RunOptions run;

  @Mixin private ExecutionOptions execution;

  /** The plan for a target epsilon; steps and delta are the mechanism's if they are given. */
  PlanText plan(MechanismOptions mechanism, double epsilon) {
    long bound =
        run.sizeBound()
            .orElseThrow(() ->
                new InputException(
                    "--plan needs --size-bound, a public bound of the number of records"));
    if (mechanism.rateGiven()) {
      throw new InputException("--rate: a plan settles it; leave it out");
    }
    if (mechanism.relation() != NeighbouringRelation.ADD_REMOVE) {
      throw new InputException("--relation: a run protects by add-remove; leave it out");
    }
    RunSettings settings =
        run.settings(
            new RunSettings.Goal(
                mechanism.relation(),
                epsilon,
                mechanism.deltaIfGiven(),
                mechanism.unit(),
                mechanism.recordsPerUnit()),
            () -> bound,
            mechanism.stepsIfGiven());
    Path base = ModelCache.standard().resolve(model);
    return PlanText.of(base, settings, execution.execution(base, settings));
  }
}
