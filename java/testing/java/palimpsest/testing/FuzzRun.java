package palimpsest.testing;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;

/**
 * {@code palimpsest test --fuzz [N] [FORMAT...]}: lets Jazzer give N inputs to the reader of every
 * format, in a process of its own each with a small heap, as many at a time as there are
 * processors, and closes with a line of counts. What it finds is left in {@code
 * target/fuzz/FORMAT}.
 */
public final class FuzzRun {
  private static final long INPUTS = 1_000_000;
  private static final int LONGEST_INPUT = 1 << 14;
  private static final int HANG_SECONDS = 60;
  private static final List<String> JVM =
      List.of(
          "-Xmx512m",
          "-XX:+UseSerialGC",
          "-XX:-OmitStackTraceInFastThrow",
          "-XX:+EnableDynamicAgentLoading",
          "--enable-native-access=ALL-UNNAMED",
          "--sun-misc-unsafe-memory-access=allow",
          "-Djdk.attach.allowAttachSelf=true");
  private static final List<String> INSTRUMENTED =
      List.of("palimpsest.**", "com.fasterxml.jackson.core.**", "org.apache.commons.csv.**");

  /** A format and where it is from. */
  private record Target(String owner, FuzzFormat format) {
    String name() {
      return format.name();
    }
  }

  private final Path folder;
  private final long inputs;
  private long done;
  private int failed;

  private FuzzRun(Path folder, long inputs) {
    this.folder = folder;
    this.inputs = inputs;
  }

  /** Arguments: the checkout, then how many inputs and which formats, where not the default. */
  public static void main(String[] args) throws Exception {
    Path root = Path.of(args[0]);
    List<String> wanted = new ArrayList<>(Arrays.asList(args).subList(1, args.length));
    boolean counted = !wanted.isEmpty() && wanted.getFirst().matches("[1-9][0-9]{0,11}");
    FuzzRun run =
        new FuzzRun(
            root.resolve("target/fuzz"), counted ? Long.parseLong(wanted.removeFirst()) : INPUTS);
    Map<String, Target> targets = targets(root);
    for (String name : wanted) {
      if (!targets.containsKey(name)) {
        System.err.println(
            "palimpsest: there is no format "
                + name
                + " to fuzz; there are "
                + String.join(", ", targets.keySet()));
        System.exit(2);
      }
    }
    List<Future<?>> all = new ArrayList<>();
    try (ExecutorService processes =
        Executors.newFixedThreadPool(Runtime.getRuntime().availableProcessors())) {
      for (String name : wanted.isEmpty() ? targets.keySet() : wanted) {
        all.add(
            processes.submit(() -> {
              run.fuzz(targets.get(name));
              return null;
            }));
      }
    }
    for (Future<?> one : all) {
      one.get();
    }
    run.close();
  }

  private static Map<String, Target> targets(Path root)
      throws IOException, ReflectiveOperationException {
    Map<String, Target> targets = new LinkedHashMap<>();
    for (String module : List.of("engine", "synth", "privacy")) {
      Path sources = root.resolve("java").resolve(module).resolve("src/test/java");
      try (Stream<Path> files = Files.walk(sources)) {
        for (Path file : files.filter(f -> f.toString().endsWith("FuzzTest.java")).toList()) {
          String owner =
              sources.relativize(file).toString().replace(".java", "").replace(File.separator, ".");
          FuzzTests tests = FuzzDriver.tests(owner);
          tests.formats().forEach(format -> targets.put(format.name(), new Target(owner, format)));
          tests.removeFolder();
        }
      }
    }
    return targets;
  }

  private void fuzz(Target target) throws IOException, InterruptedException {
    Path place = folder.resolve(target.name());
    Path temporary = memoryFolder();
    FuzzTests.remove(place);
    Files.createDirectories(place.resolve("corpus"));
    Path seeds = Files.createDirectories(place.resolve("seeds"));
    for (int seed = 0; seed < target.format().seeds().size(); seed++) {
      for (byte[] input : FuzzDriver.inputs(target.format().seeds(), seed)) {
        Files.write(seeds.resolve(seed + "-" + input.length), input);
      }
    }
    long start = System.nanoTime();
    Process process =
        new ProcessBuilder(command(target, place, temporary))
            .directory(place.toFile())
            .redirectErrorStream(true)
            .redirectOutput(place.resolve("log").toFile())
            .start();
    Thread end = new Thread(() -> stop(process, temporary));
    try {
      Runtime.getRuntime().addShutdownHook(end);
    } catch (IllegalStateException shuttingDown) {
      stop(process, temporary);
      throw shuttingDown;
    }
    int exit = process.waitFor();
    Runtime.getRuntime().removeShutdownHook(end);
    FuzzTests.remove(temporary);
    report(target, place, exit, (System.nanoTime() - start) / 1e9);
  }

  /** An interrupted run leaves no process and no files in memory behind. */
  private static void stop(Process process, Path temporary) {
    process.destroyForcibly().onExit().join();
    try {
      FuzzTests.remove(temporary);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private List<String> command(Target target, Path place, Path temporary) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(JVM);
    command.add("-Djava.io.tmpdir=" + temporary);
    command.addAll(List.of("-cp", System.getProperty("java.class.path")));
    command.add("com.code_intelligence.jazzer.Jazzer");
    command.add("--target_class=" + FuzzDriver.class.getName());
    command.add("--target_args=" + target.owner() + " " + target.name());
    command.add("--instrumentation_includes=" + String.join(":", INSTRUMENTED));
    command.add("--instrumentation_excludes=" + FuzzDriver.class.getPackageName() + ".**");
    command.addAll(
        List.of(
            "-seed=1",
            "-runs=" + inputs,
            "-max_len=" + LONGEST_INPUT,
            "-timeout=" + HANG_SECONDS,
            "-rss_limit_mb=0",
            "-artifact_prefix=" + place + File.separator,
            place.resolve("corpus").toString(),
            place.resolve("seeds").toString()));
    return command;
  }

  private synchronized void report(Target target, Path place, int exit, double seconds)
      throws IOException {
    FuzzCounts counts = FuzzDriver.counts(place).orElse(new FuzzCounts(0, 0, 0));
    boolean passed = exit == 0 && counts.files() >= inputs;
    done += counts.files();
    failed += passed ? 0 : 1;
    System.out.printf(
        Locale.ROOT,
        "%-22s %,11d inputs in %5.0f s, %2.0f %% read, slowest %3.0f ms, %s%n",
        target.name(),
        counts.files(),
        seconds,
        100.0 * counts.accepted() / Math.max(1, counts.files()),
        counts.slowestMillis(),
        passed ? "passed" : "FAILED: " + why(place, exit));
  }

  private static String why(Path place, int exit) throws IOException {
    try (Stream<String> lines = Files.lines(place.resolve("log"))) {
      return lines
              .dropWhile(line -> !line.startsWith("== Java Exception") && !line.contains("ERROR: "))
              .findFirst()
              .map(line -> line.replace("== Java Exception: ", ""))
              .orElse("exit code " + exit)
          + " (see "
          + place
          + ")";
    }
  }

  private void close() {
    System.out.printf(Locale.ROOT, "%,d inputs, %d formats failed%n", done, failed);
    System.exit(failed == 0 && done > 0 ? 0 : 1);
  }

  /** A temporary folder that is in memory where the machine has such a place. */
  private static Path memoryFolder() throws IOException {
    Path memory = Path.of("/dev/shm");
    return Files.isWritable(memory)
        ? Files.createTempDirectory(memory, "palimpsest-fuzz")
        : Files.createTempDirectory("palimpsest-fuzz");
  }
}
