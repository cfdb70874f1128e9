package palimpsest.cli;

import java.util.LinkedHashMap;
import java.util.Map;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.engine.tensor.DType;
import palimpsest.privacy.MechanismSpec;
import palimpsest.synth.GradientAudit;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Attacks the private step on this machine; a claim that the attack refutes is exit code 3. */
@Command(
    name = "step",
    description =
        "Attacks the private step of this program on this machine: does it keep what it claims? Reads no data.",
    footer = {"", "Example: palimpsest audit step --rate 0.1 --noise 0.8 --steps 60 --delta 1e-5"})
final class AuditStepCommand extends Verb {
  @Mixin private MechanismOptions mechanism;

  @Mixin private NoiseOption noise;

  @Option(
      names = "--canaries",
      defaultValue = "2000",
      paramLabel = "N",
      description = "Canaries, each in the data by the toss of a coin (default 2000).")
  private int canaries;

  @Option(
      names = "--significance",
      defaultValue = "0.001",
      paramLabel = "P",
      description = "How often a sound run may look broken (default 0.001).")
  private double significance;

  @Override
  public Integer call() {
    MechanismSpec claim = noise.spec(mechanism);
    GradientAudit.Result found;
    try (Kernels kernels = new CpuKernels(DType.F32);
        Progress progress = progress("audit step", claim.steps())) {
      found = new GradientAudit(claim).run(kernels, canaries, significance, progress::update);
    }
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("claimed", found.claimed());
    fields.put("shown", found.shown());
    fields.put("shown_by_guessing", found.shownByGuessing());
    fields.put("delta", claim.delta());
    fields.put("canaries", found.canaries());
    fields.put("significance", found.significance());
    fields.put("refuted", found.refutesTheClaim());
    print(
        fields,
        """
        claimed            epsilon is at most %s at delta %s
        attack             epsilon is at least %s, if the noise is Gaussian of whatever size
        one-run guesses    epsilon is at least %s, whatever the mechanism
        verdict            %s
        """
            .formatted(
                Numbers.upper(found.claimed()),
                claim.delta(),
                Numbers.lower(found.shown()),
                Numbers.lower(found.shownByGuessing()),
                verdict(found)));
    return found.refutesTheClaim() ? ExitCode.REFUSED : ExitCode.DONE;
  }

  private static String verdict(GradientAudit.Result found) {
    return found.refutesTheClaim()
        ? "THE CLAIM IS FALSE here: the attack gained more than it allows. A sound program shows this with"
            + " probability %s at most. Release nothing; report it."
                .formatted(2 * found.significance())
        : "nothing against the claim. The attack of %d canaries sees every noisy sum; it proves no guarantee, it"
                .formatted(found.canaries())
            + " would have shown a gross fault.";
  }
}
