package palimpsest.cli;

import java.io.IOException;
import java.util.List;
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.synth.bench.KernelBenchmark;
import palimpsest.synth.bench.Measurement;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Every kernel of a step against its roof. */
@Command(
    name = "kernel",
    description = {
      "The kernels of a training step on the shapes of SmolLM2 135M and GPT-2 124M, on one thread.",
      "Products are measured against the multiply-add peak, the rest against a copy in memory;",
      "over 1 there means that the operands stay in a cache."
    },
    footer = {"", "Example: palimpsest bench kernel --only attention"})
final class BenchKernelCommand extends BenchVerb {
  @Option(
      names = "--only",
      paramLabel = "TEXT",
      defaultValue = "",
      description = "Only kernels whose name or model contains this.")
  private String only;

  @Option(
      names = "--compute",
      defaultValue = "bf16",
      description = "Type of the matrix products: ${COMPLETION-CANDIDATES} (default: bf16).")
  private Compute compute;

  @Override
  public Integer call() throws IOException {
    List<Measurement> measured;
    try (CpuKernels kernels = new CpuKernels(compute.type());
        KernelBenchmark benchmark = new KernelBenchmark(kernels, rounds());
        Progress progress = progress("bench kernel", KernelBenchmark.SETS)) {
      measured = benchmark.run(only, progress::update);
    }
    if (measured.isEmpty()) {
      throw new IllegalArgumentException("--only: no kernel has that in its name");
    }
    report(measured);
    return ExitCode.DONE;
  }
}
