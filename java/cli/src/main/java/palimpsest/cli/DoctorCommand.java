package palimpsest.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import palimpsest.engine.kernel.cpu.CpuLibrary;
import palimpsest.engine.model.ModelCache;
import picocli.CommandLine.Command;

/** Says what this machine offers, and why what is missing is missing. */
@Command(
    name = "doctor",
    description =
        "What this machine offers: Java, instruction sets, memory, GPU, build tools, models.",
    footer = {"", "Example: palimpsest doctor"})
final class DoctorCommand extends Verb {
  private static final List<String> TOOLS = List.of("g++", "cmake", "ninja", "mvn");

  @Override
  public Integer call() throws IOException {
    Machine machine = Machine.read(Path.of("/proc"));
    Map<String, Object> report = new LinkedHashMap<>();
    report.put("java", Runtime.version() + " (" + System.getProperty("java.vendor") + ")");
    report.put("processor", machine.processor());
    report.put("cores", Runtime.getRuntime().availableProcessors());
    report.put("instruction sets", instructionSets(machine));
    report.put("kernels in use", kernelsInUse());
    report.put("memory GiB", gib(machine.memoryBytes()));
    report.put("memory free GiB", gib(machine.freeMemoryBytes()));
    report.put("Java heap limit GiB", gib(Runtime.getRuntime().maxMemory()));
    report.put("NVIDIA GPU", CudaProbe.describe());
    for (String tool : TOOLS) {
      report.put(tool, Tools.version(tool).orElse("not found on the PATH"));
    }
    List<String> models = ModelCache.standard().names();
    report.put("models", models);
    print(keyed(report), text(report));
    return ExitCode.DONE;
  }

  /** What the system grants and PALIMPSEST_MAX_TIER allows of what the processor has. */
  private static String kernelsInUse() {
    try {
      return CpuLibrary.get().bestTier().toString();
    } catch (IllegalStateException e) {
      return "none: " + e.getMessage();
    }
  }

  private static Map<String, String> instructionSets(Machine machine) {
    Map<String, String> tiers = new LinkedHashMap<>();
    for (Machine.Tier tier : Machine.Tier.values()) {
      List<String> missing = machine.missing(tier);
      tiers.put(
          tier.name().toLowerCase(Locale.ROOT),
          missing.isEmpty() ? "yes" : "no: the processor lacks " + String.join(", ", missing));
    }
    return tiers;
  }

  /** The same under names that are convenient in a program: {@code memory_gib}. */
  private static Map<String, Object> keyed(Map<String, Object> report) {
    Map<String, Object> keyed = new LinkedHashMap<>();
    report.forEach(
        (name, value) -> keyed.put(name.toLowerCase(Locale.ROOT).replace(' ', '_'), value));
    return keyed;
  }

  private static double gib(long bytes) {
    return Math.round(bytes / (double) (1L << 30) * 10) / 10.0;
  }

  private static String text(Map<String, Object> report) {
    StringBuilder text = new StringBuilder();
    report.forEach((name, value) -> {
      switch (value) {
        case Map<?, ?> rows -> rows.forEach((key, row) -> line(text, key.toString(), row));
        case List<?> list when list.isEmpty() ->
            line(text, name, "none in " + ModelCache.standard().root());
        case List<?> list -> list.forEach(item -> line(text, name, item));
        default -> line(text, name, value);
      }
    });
    return text.toString();
  }

  private static void line(StringBuilder text, String name, Object value) {
    text.append("%-22s%s%n".formatted(name, value));
  }
}
