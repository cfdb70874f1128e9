package palimpsest.cli;

import java.util.LinkedHashMap;
import java.util.Map;
import palimpsest.privacy.Accountant;
import palimpsest.privacy.EpsilonBracket;
import palimpsest.privacy.MechanismSpec;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** The epsilon of given settings. */
@Command(
    name = "epsilon",
    description = "The epsilon that given training settings cost.",
    footer = {"", "Example: palimpsest epsilon --rate 0.01 --noise 1.0 --steps 1000 --delta 1e-5"})
final class EpsilonCommand extends Verb {
  @Mixin private MechanismOptions mechanism;

  @Mixin private NoiseOption noise;

  @Override
  public Integer call() {
    MechanismSpec spec = noise.spec(mechanism);
    EpsilonBracket epsilon = Accountant.of(spec).epsilon(spec.delta());
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("epsilon", epsilon.upper());
    fields.put("epsilon_lower_bound", epsilon.lower());
    fields.put("epsilon_renyi", epsilon.renyi());
    fields.put("delta", spec.delta());
    fields.put("relation", MechanismOptions.name(spec.relation()));
    print(
        fields,
        """
        epsilon      %s at delta %s, %s neighbours
        true value   at least %s
        Renyi bound  %s (computed independently)
        """
            .formatted(
                Numbers.upper(epsilon.upper()),
                spec.delta(),
                MechanismOptions.name(spec.relation()),
                Numbers.lower(epsilon.lower()),
                Numbers.upper(epsilon.renyi())));
    return ExitCode.DONE;
  }
}
