package palimpsest.synth.bench;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntConsumer;
import java.util.function.ToDoubleFunction;

/**
 * Workloads that took turns, each between two probes of the peak. A round counts as whole if every
 * probe of it came near the best one of the run and other processes left the processor alone; a
 * core that was away for a while so spoils its rounds only.
 *
 * @param onePeak GFLOP/s of one thread, the best of the run
 * @param bestPeak GFLOP/s of all workers, the best of the run
 */
public record Bracketed(List<Round> rounds, int workers, double onePeak, double bestPeak) {
  /** A probe this far below the best one shows a missing core. */
  private static final double NEAR = 0.9;

  /** Cores that other processes may use in a whole round. */
  private static final double MOST_OTHERS = 0.15;

  /** With fewer whole rounds all rounds count, and the result says so. */
  private static final int FEWEST_WHOLE = 3;

  private static final double PROBE_SECONDS = 0.1;
  private static final int SLICES = 200;

  private static final OperatingSystemMXBean PROCESS =
      ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class);

  /**
   * One turn of all workloads.
   *
   * @param seconds of each workload
   * @param processorSeconds that this process used for each workload
   * @param probes GFLOP/s before the first workload and after each
   * @param others cores that other processes kept busy
   */
  public record Round(double[] seconds, double[] processorSeconds, double[] probes, double others) {
    /** GFLOP/s around a workload. */
    double peak(int workload) {
      return (probes[workload] + probes[workload + 1]) / 2;
    }
  }

  /**
   * Runs every workload once to warm up, then {@code count} rounds.
   *
   * @param done told the number of finished rounds
   */
  public static Bracketed run(
      PeakProbe probe, int count, List<Runnable> workloads, IntConsumer done) {
    workloads.forEach(Runnable::run);
    double one = probe.one(SLICES);
    Neighbours neighbours = new Neighbours(Path.of("/proc"));
    List<Round> rounds = new ArrayList<>();
    double best = 0;
    for (int i = 0; i < count; i++) {
      Round round = round(probe, workloads, neighbours);
      best = Math.max(best, Arrays.stream(round.probes).max().orElse(0));
      rounds.add(round);
      done.accept(i + 1);
    }
    return new Bracketed(rounds, probe.workers(), one, best);
  }

  private static Round round(PeakProbe probe, List<Runnable> workloads, Neighbours neighbours) {
    double[] seconds = new double[workloads.size()];
    double[] processorSeconds = new double[workloads.size()];
    double[] probes = new double[workloads.size() + 1];
    neighbours.start();
    probes[0] = probe.all(PROBE_SECONDS);
    for (int w = 0; w < seconds.length; w++) {
      long startProcessor = PROCESS.getProcessCpuTime();
      long start = System.nanoTime();
      workloads.get(w).run();
      seconds[w] = (System.nanoTime() - start) / 1e9;
      processorSeconds[w] = (PROCESS.getProcessCpuTime() - startProcessor) / 1e9;
      probes[w + 1] = probe.all(PROBE_SECONDS);
    }
    return new Round(seconds, processorSeconds, probes, neighbours.cores());
  }

  /** The rounds in which the whole machine was there. */
  public List<Round> whole() {
    return rounds.stream()
        .filter(round ->
            round.others <= MOST_OTHERS
                && Arrays.stream(round.probes).allMatch(rate -> rate >= NEAR * bestPeak))
        .toList();
  }

  /** Whether the figures below come from whole rounds only. */
  public boolean undisturbed() {
    return whole().size() >= FEWEST_WHOLE;
  }

  private Spread over(ToDoubleFunction<Round> figure) {
    List<Round> used = undisturbed() ? whole() : rounds;
    return Spread.of(used.stream().mapToDouble(figure).toArray());
  }

  /** Seconds of a workload. */
  public Spread seconds(int workload) {
    return over(round -> round.seconds[workload]);
  }

  /** GFLOP/s of the roof around a workload. */
  public Spread peak(int workload) {
    return over(round -> round.peak(workload));
  }

  /** The workload's rate over the roof around it, round by round. */
  public Spread fraction(int workload, double flops) {
    return over(round -> flops / round.seconds[workload] / 1e9 / round.peak(workload));
  }

  /** Time of one workload over that of another in the same round. */
  public Spread ratio(int workload, int other) {
    return over(round -> round.seconds[workload] / round.seconds[other]);
  }

  /**
   * The workload's FLOP a processor second over the peak of one thread. Unlike {@link #fraction} it
   * hardly suffers from others that use the same cores, and it does not see idle workers.
   */
  public Spread processorFraction(int workload, double flops) {
    return over(round -> flops / round.processorSeconds[workload] / 1e9 / onePeak);
  }

  /** Processor time of one workload over that of another in the same round. */
  public Spread processorRatio(int workload, int other) {
    return over(round -> round.processorSeconds[workload] / round.processorSeconds[other]);
  }

  /** How far the figures can be trusted, in a few words. */
  public String quality() {
    String rounds = whole().size() + " of " + this.rounds.size() + " rounds undisturbed";
    if (!undisturbed()) {
      rounds += " (too few: all are counted)";
    }
    if (bestPeak < 0.75 * workers * onePeak) {
      rounds +=
          "; %d workers reach %.2f times the peak of one: cores are missing or shared"
              .formatted(workers, bestPeak / onePeak);
    }
    return rounds;
  }
}
