package palimpsest.synth.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.function.IntConsumer;
import palimpsest.privacy.Accountant;
import palimpsest.privacy.Calibration;
import palimpsest.privacy.MechanismSpec;
import palimpsest.privacy.NeighbouringRelation;

/** How long a user waits for an epsilon and for a noise multiplier. */
public final class AccountantBenchmark {
  private static final int STEPS = 10_000;
  private static final int BATCH = 256;
  private static final long SIZE = 25_600;
  private static final double NOISE = 1;
  private static final double DELTA = 1e-6;
  private static final double EPSILON = 4;

  private AccountantBenchmark() {}

  /**
   * @param done told the number of finished rounds
   * @return the epsilon of 10,000 steps, then a calibration of as many
   */
  public static List<Measurement> run(int rounds, IntConsumer done) {
    MechanismSpec spec =
        MechanismSpec.of(NeighbouringRelation.ADD_REMOVE, NOISE, 1, BATCH, SIZE, STEPS, DELTA);
    List<Runnable> workloads =
        List.of(
            () -> Accountant.of(spec).epsilon(DELTA), () -> Calibration.calibrate(spec, EPSILON));
    double[][] seconds = new double[workloads.size()][rounds];
    double[] first = new double[workloads.size()];
    for (int w = 0; w < first.length; w++) {
      first[w] = time(workloads.get(w));
    }
    for (int round = 0; round < rounds; round++) {
      for (int w = 0; w < first.length; w++) {
        seconds[w][round] = time(workloads.get(w));
      }
      done.accept(round + 1);
    }
    String setting = " %d steps q %s delta %s".formatted(STEPS, (double) BATCH / SIZE, DELTA);
    List<Measurement> measured = new ArrayList<>();
    String[] names = {"epsilon sigma " + NOISE + setting, "calibrate epsilon " + EPSILON + setting};
    for (int w = 0; w < first.length; w++) {
      Spread spread = Spread.of(seconds[w]);
      measured.add(
          Measurement.of(
              names[w],
              "f64",
              1,
              spread,
              1 / spread.median(),
              "a second",
              "%d rounds; the first call took %.2f s".formatted(rounds, first[w])));
    }
    return measured;
  }

  private static double time(Runnable run) {
    long start = System.nanoTime();
    run.run();
    return (System.nanoTime() - start) / 1e9;
  }
}
