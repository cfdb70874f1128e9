package palimpsest.cli;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import palimpsest.engine.model.Role;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** A layer that can get an adapter, in the words of --targets. */
final class TargetConverter implements ITypeConverter<Role> {
  @Override
  public Role convert(String text) {
    List<Role> targets = Arrays.stream(Role.values()).filter(Role::isLinear).toList();
    return targets.stream()
        .filter(role -> word(role).equals(text.toLowerCase(Locale.ROOT)))
        .findFirst()
        .orElseThrow(() ->
            new TypeConversionException(
                "'"
                    + text
                    + "' is not a linear layer: "
                    + String.join(", ", targets.stream().map(TargetConverter::word).toList())));
  }

  private static String word(Role role) {
    return role.name().toLowerCase(Locale.ROOT);
  }
}
