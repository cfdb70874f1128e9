package palimpsest.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import palimpsest.engine.tensor.DType;
import palimpsest.synth.bench.Measurement;
import palimpsest.synth.bench.ResultsFile;
import picocli.CommandLine.Option;

/** What every benchmark shares: rounds, threads, and where its figures go. */
abstract class BenchVerb extends Verb {
  private static final int FEWEST_ROUNDS = 3;

  @Option(
      names = "--rounds",
      paramLabel = "N",
      defaultValue = "9",
      description = "How often each workload takes its turn (default: ${DEFAULT-VALUE}).")
  private int rounds;

  @Option(
      names = "--record",
      paramLabel = "FILE",
      description = "Append the figures to this CSV file.")
  private Path record;

  /** Which kernels multiply. */
  enum Compute {
    BF16,
    F32;

    DType type() {
      return this == BF16 ? DType.BF16 : DType.F32;
    }
  }

  final int rounds() {
    if (rounds < FEWEST_ROUNDS) {
      throw new IllegalArgumentException(
          "--rounds is " + rounds + ", must be at least " + FEWEST_ROUNDS);
    }
    return rounds;
  }

  final void report(List<Measurement> measured) throws IOException {
    Machine machine = Machine.read(Path.of("/proc"));
    String hardware = machine.processor() + " x " + Runtime.getRuntime().availableProcessors();
    if (record != null) {
      new ResultsFile(record, hardware).append(measured);
    }
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("hardware", hardware);
    fields.put("measurements", measured.stream().map(Measurement::fields).toList());
    print(
        fields,
        hardware + "\n" + measured.stream().map(Measurement::text).collect(Collectors.joining()));
  }
}
