package palimpsest.cli;

import java.io.IOException;
import java.util.List;
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.engine.tensor.DType;
import palimpsest.synth.bench.Measurement;
import palimpsest.synth.bench.NoiseBenchmark;
import picocli.CommandLine.Command;

/** What an element of noise costs. */
@Command(
    name = "noise",
    description = "Rounded Gaussian noise: the kernel, and the Java stream of the same integers.",
    footer = {"", "Example: palimpsest bench noise"})
final class BenchNoiseCommand extends BenchVerb {
  @Override
  public Integer call() throws IOException {
    List<Measurement> measured;
    try (CpuKernels kernels = new CpuKernels(DType.F32);
        Progress progress = progress("bench noise", rounds())) {
      measured = NoiseBenchmark.run(kernels, rounds(), progress::update);
    }
    report(measured);
    return ExitCode.DONE;
  }
}
