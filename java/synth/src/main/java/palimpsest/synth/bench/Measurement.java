package palimpsest.synth.bench;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.OptionalDouble;

/**
 * One figure of a benchmark, as it is printed and recorded.
 *
 * @param workload what ran, in a few words
 * @param type of the matrix products, or of what was worked on
 * @param seconds of one run
 * @param rate median rate, in {@code unit}
 * @param roof the roof probed in the same run, in {@code unit}; empty where none applies
 * @param fraction of the roof: median of the rounds' own fractions
 * @param ratio time over that of the workload's yardstick
 * @param tokensPerSecond for training and sampling
 * @param peakMemory megabytes the process ever held, where that is the question
 * @param quality how far the figures can be trusted
 */
public record Measurement(
    String workload,
    String type,
    int workers,
    Spread seconds,
    double rate,
    String unit,
    OptionalDouble roof,
    OptionalDouble fraction,
    OptionalDouble ratio,
    OptionalDouble tokensPerSecond,
    OptionalDouble peakMemory,
    String quality) {
  private static final OptionalDouble NONE = OptionalDouble.empty();

  /** A rate without a roof. */
  public static Measurement of(
      String workload,
      String type,
      int workers,
      Spread seconds,
      double rate,
      String unit,
      String quality) {
    return new Measurement(
        workload, type, workers, seconds, rate, unit, NONE, NONE, NONE, NONE, NONE, quality);
  }

  Measurement withRoof(double value, double fractionOfIt) {
    return new Measurement(
        workload,
        type,
        workers,
        seconds,
        rate,
        unit,
        OptionalDouble.of(value),
        OptionalDouble.of(fractionOfIt),
        ratio,
        tokensPerSecond,
        peakMemory,
        quality);
  }

  Measurement withRatio(double value) {
    return new Measurement(
        workload,
        type,
        workers,
        seconds,
        rate,
        unit,
        roof,
        fraction,
        OptionalDouble.of(value),
        tokensPerSecond,
        peakMemory,
        quality);
  }

  Measurement withTokens(double perSecond, OptionalDouble memory) {
    return new Measurement(
        workload,
        type,
        workers,
        seconds,
        rate,
        unit,
        roof,
        fraction,
        ratio,
        OptionalDouble.of(perSecond),
        memory,
        quality);
  }

  /** By the names of the recorded columns; what does not apply is null. */
  public Map<String, Object> fields() {
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("workload", workload);
    fields.put("dtype", type);
    fields.put("workers", workers);
    fields.put("median_s", digits(seconds.median()));
    fields.put("p20_s", digits(seconds.p20()));
    fields.put("p80_s", digits(seconds.p80()));
    fields.put("rate", digits(rate));
    fields.put("unit", unit);
    fields.put("peak", digits(roof));
    fields.put("fraction", digits(fraction));
    fields.put("ratio", digits(ratio));
    fields.put("tokens_per_s", digits(tokensPerSecond));
    fields.put("peak_memory_mb", digits(peakMemory));
    fields.put("quality", quality);
    return fields;
  }

  private static Double digits(OptionalDouble value) {
    return value.isPresent() ? (Double) digits(value.getAsDouble()) : null;
  }

  /** Four significant digits: more would be noise. */
  private static double digits(double value) {
    return Double.parseDouble(String.format(java.util.Locale.ROOT, "%.3e", value));
  }

  /** For a person: one line, or two with a roof or a yardstick. */
  public String text() {
    StringBuilder text = new StringBuilder();
    text.append(
        "%s (%s, %d %s)%n  %s a run (p20 %s, p80 %s), %.4g %s"
            .formatted(
                workload,
                type,
                workers,
                workers == 1 ? "thread" : "workers",
                time(seconds.median()),
                time(seconds.p20()),
                time(seconds.p80()),
                rate,
                unit));
    if (roof.isPresent()) {
      text.append(
          ", %.2f of the %.4g probed in this run"
              .formatted(fraction.getAsDouble(), roof.getAsDouble()));
    }
    text.append('\n');
    tokensPerSecond.ifPresent(tokens -> text.append("  %.0f tokens/s%n".formatted(tokens)));
    ratio.ifPresent(value -> text.append("  %.3f times its yardstick%n".formatted(value)));
    peakMemory.ifPresent(mb -> text.append("  %.0f MB at most so far%n".formatted(mb)));
    return text.append("  ").append(quality).append('\n').toString();
  }

  private static String time(double seconds) {
    if (seconds >= 1) {
      return "%.3f s".formatted(seconds);
    }
    return seconds >= 1e-3
        ? "%.3f ms".formatted(seconds * 1e3)
        : "%.2f us".formatted(seconds * 1e6);
  }
}
