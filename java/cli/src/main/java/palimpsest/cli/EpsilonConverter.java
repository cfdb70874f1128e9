package palimpsest.cli;

import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Reads a target epsilon: a positive number, or {@code inf} for a run that is not private. */
final class EpsilonConverter implements ITypeConverter<Double> {
  @Override
  public Double convert(String text) {
    double value = text.equals("inf") ? Double.POSITIVE_INFINITY : parse(text);
    if (!(value > 0)) {
      throw new TypeConversionException(
          "'" + text + "' is not positive; 'inf' asks for no privacy");
    }
    return value;
  }

  private static double parse(String text) {
    double value;
    try {
      value = Double.parseDouble(text);
    } catch (NumberFormatException _) {
      throw new TypeConversionException("'" + text + "' is not a number");
    }
    // No privacy must be asked for by its own word, never by a number too large for a double.
    if (Double.isInfinite(value)) {
      throw new TypeConversionException(
          "'" + text + "' is too large to mean anything; 'inf' asks for no privacy");
    }
    return value;
  }
}
