package palimpsest.cli;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import javax.xml.stream.XMLInputFactory;
import javax.xml.stream.XMLStreamConstants;
import javax.xml.stream.XMLStreamException;
import javax.xml.stream.XMLStreamReader;
import palimpsest.engine.weights.AtomicFiles;

/**
 * A copy of a checkout's sources in a temporary folder, built there once by Maven, which also runs
 * all the tests; each mutation is then applied, its test run alone, and taken back.
 */
final class MutatedTree implements AutoCloseable {
  /** What became of a mutation. */
  enum Verdict {
    /** The named test failed. */
    KILLED,
    /** It passed: nothing notices the fault. */
    SURVIVED,
    /** The mutation itself is at fault: it does not compile, or its test did not run. */
    BROKEN
  }

  /**
   * A verdict with its reason.
   *
   * @param why empty unless broken
   */
  record Outcome(Verdict verdict, String why) {}

  private static final int MINUTES = 10;
  private static final int BUILD_MINUTES = 30;
  private static final int TIMED_OUT = -1;
  private static final String NOT_RUN = "its test did not run";

  private final Path root;
  private final Path folder;
  private final Path log;
  private final MutatedBuild build;

  /** Copies every file of the checkout that git knows or would add, as it is on disk. */
  MutatedTree(Path root) throws IOException {
    this.root = root;
    Path temporary = Files.createTempDirectory("palimpsest-mutations");
    folder = temporary.resolve("tree");
    log = temporary.resolve("maven.log");
    build = new MutatedBuild(folder, temporary.resolve("test.log"), MINUTES);
    Process git =
        new ProcessBuilder("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
            .directory(root.toFile())
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    String names = new String(git.getInputStream().readAllBytes());
    for (String name : names.split("\0")) {
      Path from = root.resolve(name);
      if (Files.isRegularFile(from, LinkOption.NOFOLLOW_LINKS)) {
        Path to = folder.resolve(name);
        Files.createDirectories(to.getParent());
        Files.copy(from, to, StandardCopyOption.COPY_ATTRIBUTES);
      }
    }
    if (!Files.exists(folder.resolve("pom.xml"))) {
      throw new IOException(root + " is no checkout of the sources");
    }
  }

  /** A mutation as the copy has it: what happens to the checkout meanwhile changes nothing. */
  Mutation own(Mutation mutation) {
    return Mutation.read(folder.resolve("mutations").resolve(mutation.patch().getFileName()));
  }

  /**
   * Builds the copy and runs all tests of the mutations on it.
   *
   * @return the mutations whose test does not pass as it is, each with the reason
   */
  Map<Mutation, String> baseline(List<Mutation> mutations) throws IOException {
    TreeSet<String> modules = new TreeSet<>();
    TreeMap<String, TreeSet<String>> methods = new TreeMap<>();
    for (Mutation mutation : mutations) {
      modules.add("java/" + mutation.module());
      methods.computeIfAbsent(mutation.testClass(), _ -> new TreeSet<>()).add(mutation.method());
    }
    List<String> tests = new ArrayList<>();
    methods.forEach((type, names) -> tests.add(type + "#" + String.join("+", names)));
    int exit =
        maven(
            BUILD_MINUTES,
            String.join(",", modules),
            String.join(",", tests),
            "-Dmaven.test.failure.ignore");
    if (exit != 0) {
      throw new IOException("the unchanged sources do not build: " + firstError());
    }
    Map<Mutation, String> unfit = new HashMap<>();
    for (Mutation mutation : mutations) {
      Outcome outcome = judge(mutation);
      if (outcome.verdict != Verdict.SURVIVED) {
        unfit.put(
            mutation, outcome.verdict == Verdict.KILLED ? MutatedBuild.FAILS_ANYWAY : outcome.why);
      }
    }
    for (String module : MutatedBuild.MODULES) {
      List<Mutation> compiled = new ArrayList<>();
      for (Mutation mutation : mutations) {
        if (mutation.module().equals(module) && MutatedBuild.canRun(mutation)) {
          compiled.add(mutation);
        }
      }
      if (!compiled.isEmpty()) {
        build.control(module, compiled).forEach(unfit::putIfAbsent);
      }
    }
    return unfit;
  }

  /** Tries one mutation; the copy is as before afterwards. */
  Outcome run(Mutation mutation) throws IOException {
    List<String> said = new ArrayList<>();
    if (!mutation.apply(folder, said)) {
      return new Outcome(Verdict.BROKEN, "its patch does not apply: " + said.getFirst());
    }
    try {
      return MutatedBuild.canRun(mutation) ? build.run(mutation) : runByMaven(mutation);
    } finally {
      if (!mutation.apply(folder, said, "-R")) {
        throw new IOException(mutation.name() + " cannot be taken back: " + said.getLast());
      }
    }
  }

  private Outcome runByMaven(Mutation mutation) throws IOException {
    AtomicFiles.deleteTree(reports(mutation));
    int exit =
        maven(
            MINUTES,
            "java/" + mutation.module(),
            mutation.testClass() + "#" + mutation.method(),
            "-o");
    if (exit == TIMED_OUT) {
      return new Outcome(Verdict.BROKEN, "no end after " + MINUTES + " minutes");
    }
    Outcome outcome = judge(mutation);
    return outcome.verdict == Verdict.SURVIVED && exit != 0
        ? new Outcome(Verdict.BROKEN, firstError())
        : outcome;
  }

  private int maven(int minutes, String modules, String tests, String option) throws IOException {
    ProcessBuilder builder =
        new ProcessBuilder(
                "mvn",
                "-q",
                "-B",
                "-ntp",
                "-Dstyle.color=never",
                option,
                "-pl",
                modules,
                "-am",
                "-Dtest=" + tests,
                "-Dsurefire.failIfNoSpecifiedTests=false",
                "-Dpalimpsest.shared=" + root.resolveSibling("shared").toAbsolutePath(),
                "test")
            .directory(folder.toFile())
            .redirectInput(ProcessBuilder.Redirect.from(new File("/dev/null")))
            .redirectErrorStream(true)
            .redirectOutput(log.toFile());
    builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
    Process maven = builder.start();
    try {
      if (maven.waitFor(minutes, TimeUnit.MINUTES)) {
        return maven.exitValue();
      }
      maven.descendants().forEach(ProcessHandle::destroyForcibly);
      maven.destroyForcibly().waitFor();
      return TIMED_OUT;
    } catch (InterruptedException e) {
      maven.descendants().forEach(ProcessHandle::destroyForcibly);
      maven.destroyForcibly();
      throw new IllegalStateException(e);
    }
  }

  private String firstError() throws IOException {
    try (Stream<String> lines = Files.lines(log)) {
      return lines
          .filter(line -> line.startsWith("[ERROR] ") && !line.contains("COMPILATION ERROR"))
          .map(line -> line.substring("[ERROR] ".length()).replace(folder + "/", "").strip())
          .filter(line -> !line.isEmpty())
          .findFirst()
          .orElse("Maven failed, all it said is in " + log);
    }
  }

  private Path reports(Mutation mutation) {
    return folder.resolve("java").resolve(mutation.module()).resolve("target/surefire-reports");
  }

  private Outcome judge(Mutation mutation) throws IOException {
    Outcome outcome = judge(mutation, reports(mutation));
    return outcome.why.equals(NOT_RUN) ? new Outcome(Verdict.BROKEN, firstError()) : outcome;
  }

  /** Reads the verdict from a folder of Surefire reports. */
  static Outcome judge(Mutation mutation, Path reports) throws IOException {
    Set<String> verdicts = new HashSet<>();
    if (Files.isDirectory(reports)) {
      try (Stream<Path> files = Files.list(reports)) {
        String ending = "." + mutation.testClass() + ".xml";
        for (Path file : files.filter(f -> f.toString().endsWith(ending)).toList()) {
          readReport(file, mutation.method(), verdicts);
        }
      }
    }
    if (verdicts.contains("failure") || verdicts.contains("error")) {
      return new Outcome(Verdict.KILLED, "");
    }
    if (verdicts.contains("passed")) {
      return new Outcome(Verdict.SURVIVED, "");
    }
    return new Outcome(
        Verdict.BROKEN, verdicts.contains("skipped") ? "its test is skipped here" : NOT_RUN);
  }

  private static void readReport(Path file, String method, Set<String> verdicts)
      throws IOException {
    try (InputStream in = Files.newInputStream(file)) {
      XMLInputFactory factory = XMLInputFactory.newDefaultFactory();
      factory.setProperty(XMLInputFactory.SUPPORT_DTD, false);
      XMLStreamReader xml = factory.createXMLStreamReader(in);
      String verdict = null;
      while (xml.hasNext()) {
        int event = xml.next();
        if (event == XMLStreamConstants.START_ELEMENT) {
          String element = xml.getLocalName();
          if (element.equals("testcase")) {
            // A parameterized case is named method(Type)[1].
            String name = xml.getAttributeValue(null, "name");
            verdict = name.split("[^\\w]", 2)[0].equals(method) ? "passed" : null;
          } else if (verdict != null && Set.of("failure", "error", "skipped").contains(element)) {
            verdict = element;
          }
        } else if (event == XMLStreamConstants.END_ELEMENT
            && xml.getLocalName().equals("testcase")
            && verdict != null) {
          verdicts.add(verdict);
          verdict = null;
        }
      }
    } catch (XMLStreamException e) {
      verdicts.remove("passed");
    }
  }

  /** Ends what may still be building in the copy and removes it. Closing twice is harmless. */
  @Override
  public synchronized void close() {
    List<ProcessHandle> builds = ProcessHandle.current().descendants().toList();
    builds.forEach(ProcessHandle::destroyForcibly);
    builds.forEach(build -> build.onExit().join());
    AtomicFiles.deleteTree(folder.getParent());
  }
}
