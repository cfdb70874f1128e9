package palimpsest.cli;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import javax.tools.JavaCompiler;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;
import javax.xml.stream.XMLInputFactory;
import javax.xml.stream.XMLStreamConstants;
import javax.xml.stream.XMLStreamException;
import javax.xml.stream.XMLStreamReader;
import palimpsest.engine.weights.AtomicFiles;

/**
 * Compiles what a mutation changes, beside the finished build of a copy of the sources, and runs
 * the mutation's test on it: a few seconds, most of which Maven would double.
 */
final class MutatedBuild {
  /** Modules from the lowest up: each may use those before it. */
  static final List<String> MODULES = List.of("privacy", "engine", "synth", "cli");

  private static final String CLASS_PATH = "surefire.test.class.path";
  private static final String FLAGS = "palimpsest.test.flags";
  private static final String LIBRARY =
      "java/engine/target/native-resources/native/linux-x86_64/libpalimpsest.so";

  /** Why a mutation cannot be tried whose test fails without it. */
  static final String FAILS_ANYWAY = "its test fails without the mutation";

  private static final String RUNNER = "palimpsest.testing.NamedTest";

  /** {@code NamedTest}'s exit codes; the test classes are not on this one's class path. */
  private static final int PASSED = 0;

  private static final int FAILED = 10;
  private static final int NOT_RUN = 11;
  private static final int BROKEN = 12;

  private final Path folder;
  private final Path log;
  private final int minutes;
  private final JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();

  /** What the tests of each module ran with. */
  private final Map<String, Map<String, String>> properties = new LinkedHashMap<>();

  /**
   * @param folder the copy, built, with the reports of a run of its tests
   * @param log receives what compilers and tests say
   * @param minutes that a command may take
   */
  MutatedBuild(Path folder, Path log, int minutes) {
    this.folder = folder;
    this.log = log;
    this.minutes = minutes;
  }

  /** Whether the mutation changes nothing but Java sources and kernels. */
  static boolean canRun(Mutation mutation) throws IOException {
    return mutation.files().stream()
        .allMatch(
            file -> file.matches("java/[a-z]+/src/main/java/.*\\.java|native/(src|include)/.*"));
  }

  /**
   * Runs each test of mutations as {@link #run} would, on sources without a mutation: what fails
   * here would kill anything.
   *
   * @param module the one that all the tests are of
   * @return the mutations whose test does not pass, each with the reason
   */
  Map<Mutation, String> control(String module, List<Mutation> mutations) throws IOException {
    Path overlay = emptyOverlay();
    List<Path> sources = mainSources(modulesUpTo(module));
    Map<String, List<Mutation>> byTest = new TreeMap<>();
    for (Mutation mutation : mutations) {
      List<Mutation> same = byTest.computeIfAbsent(mutation.test(), _ -> new ArrayList<>());
      same.add(mutation);
      Path source = testSource(mutation);
      if (!sources.contains(source)) {
        sources.add(source);
      }
    }
    Map<Mutation, String> unfit = new HashMap<>();
    Optional<String> problem = compile(sources, module, overlay);
    for (List<Mutation> ofTest : byTest.values()) {
      MutatedTree.Outcome outcome = outcome(problem, ofTest, overlay);
      if (outcome.verdict() != MutatedTree.Verdict.SURVIVED) {
        String why = outcome.why().isEmpty() ? FAILS_ANYWAY : outcome.why();
        ofTest.forEach(mutation -> unfit.put(mutation, why));
      }
    }
    return unfit;
  }

  private MutatedTree.Outcome outcome(
      Optional<String> problem, List<Mutation> mutations, Path overlay) throws IOException {
    return problem.isPresent()
        ? new MutatedTree.Outcome(MutatedTree.Verdict.BROKEN, problem.get())
        : judge(test(mutations, overlay));
  }

  /**
   * Runs the mutation's test on the mutated sources.
   *
   * @throws IOException if the test's module left no report
   */
  MutatedTree.Outcome run(Mutation mutation) throws IOException {
    Path overlay = emptyOverlay();
    List<Path> sources = changedSources(mutation);
    Optional<String> problem =
        sources.isEmpty() ? Optional.empty() : compile(sources, mutation.module(), overlay);
    if (problem.isEmpty() && changesKernels(mutation)) {
      problem = buildKernels();
    }
    return outcome(problem, List.of(mutation), overlay);
  }

  private Path emptyOverlay() throws IOException {
    Path overlay = folder.resolveSibling("overlay");
    AtomicFiles.deleteTree(overlay);
    Files.createDirectories(overlay);
    Files.writeString(log, "");
    return overlay;
  }

  private static boolean changesKernels(Mutation mutation) throws IOException {
    return mutation.files().stream().anyMatch(file -> file.startsWith("native/"));
  }

  private String classPath(String module, Path overlay) throws IOException {
    return overlay + File.pathSeparator + settings(module).get(CLASS_PATH);
  }

  private Path testSource(Mutation mutation) throws IOException {
    Path tests = folder.resolve("java").resolve(mutation.module()).resolve("src/test/java");
    try (Stream<Path> files = Files.walk(tests)) {
      return files
          .filter(file -> file.endsWith(mutation.testClass() + ".java"))
          .findFirst()
          .orElseThrow();
    }
  }

  private static List<String> modulesUpTo(String module) {
    return MODULES.subList(0, 1 + MODULES.indexOf(module));
  }

  private static String mainFolder(String module) {
    return "java/" + module + "/src/main/java";
  }

  private List<Path> mainSources(List<String> modules) throws IOException {
    List<Path> sources = new ArrayList<>();
    for (String module : modules) {
      try (Stream<Path> files = Files.walk(folder.resolve(mainFolder(module)))) {
        files.filter(file -> file.toString().endsWith(".java")).forEach(sources::add);
      }
    }
    return sources;
  }

  /**
   * The modules from the one that is changed up to the test's, and the test itself, which all may
   * have taken over its constants; none if no module up to the test's is changed.
   */
  private List<Path> changedSources(Mutation mutation) throws IOException {
    List<String> files = mutation.files();
    List<String> modules =
        modulesUpTo(mutation.module()).stream()
            .dropWhile(module -> files.stream().noneMatch(f -> f.startsWith(mainFolder(module))))
            .toList();
    List<Path> sources = mainSources(modules);
    if (!sources.isEmpty()) {
      sources.add(testSource(mutation));
    }
    return sources;
  }

  /**
   * Compiles sources for the tests of a module.
   *
   * @return the first complaint
   */
  private Optional<String> compile(List<Path> sources, String module, Path overlay)
      throws IOException {
    StringWriter said = new StringWriter();
    try (StandardJavaFileManager files = compiler.getStandardFileManager(null, null, null)) {
      List<String> options =
          List.of(
              "-nowarn", "-proc:none", "-cp", classPath(module, overlay), "-d", overlay.toString());
      boolean compiled =
          compiler
              .getTask(said, files, null, options, null, files.getJavaFileObjectsFromPaths(sources))
              .call();
      Files.writeString(log, said.toString());
      return compiled ? Optional.empty() : Optional.of(firstError(said.toString()));
    }
  }

  private String firstError(String said) {
    return said.lines()
        .filter(line -> line.contains("error:"))
        .map(line -> line.replace(folder + "/", ""))
        .findFirst()
        .orElse("it does not compile");
  }

  private Optional<String> buildKernels() throws IOException {
    int exit = command(folder, "cmake", "--build", "java/engine/target/native");
    return exit == 0
        ? Optional.empty()
        : Optional.of("the kernels do not compile: " + firstError(Files.readString(log)));
  }

  /** Runs the one test that the mutations name. */
  private int test(List<Mutation> mutations, Path overlay) throws IOException {
    Mutation any = mutations.getFirst();
    Map<String, String> settings = settings(any.module());
    boolean kernels = false;
    for (Mutation mutation : mutations) {
      kernels |= changesKernels(mutation);
    }
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of(settings.get(FLAGS).split(" ")));
    settings.forEach((name, value) -> {
      if (name.startsWith("palimpsest.") || name.startsWith("jqwik.")) {
        command.add("-D" + name + "=" + value);
      }
    });
    if (kernels) {
      command.add("-Dpalimpsest.native=" + folder.resolve(LIBRARY));
    }
    Path module = folder.resolve("java").resolve(any.module());
    String type =
        module
            .resolve("src/test/java")
            .relativize(testSource(any))
            .toString()
            .replace(File.separatorChar, '.');
    command.addAll(List.of("-cp", classPath(any.module(), overlay), RUNNER));
    command.addAll(List.of(type.substring(0, type.length() - ".java".length()), any.method()));
    return command(module, command.toArray(String[]::new));
  }

  static MutatedTree.Outcome judge(int exit) {
    return switch (exit) {
      case PASSED -> new MutatedTree.Outcome(MutatedTree.Verdict.SURVIVED, "");
      case FAILED -> new MutatedTree.Outcome(MutatedTree.Verdict.KILLED, "");
      case NOT_RUN ->
          new MutatedTree.Outcome(
              MutatedTree.Verdict.BROKEN, "its test did not run, or is skipped");
      case BROKEN ->
          new MutatedTree.Outcome(
              MutatedTree.Verdict.BROKEN, "its test class fails, or does not fit the classes");
      default ->
          new MutatedTree.Outcome(
              MutatedTree.Verdict.BROKEN, "the process of its test ended with code " + exit);
    };
  }

  /** Runs a command to its end, or for so many minutes; its exit code. */
  private int command(Path directory, String... command) throws IOException {
    Process process =
        new ProcessBuilder(command)
            .directory(directory.toFile())
            .redirectInput(ProcessBuilder.Redirect.from(new File("/dev/null")))
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()))
            .start();
    try {
      if (process.waitFor(minutes, TimeUnit.MINUTES)) {
        return process.exitValue();
      }
      process.descendants().forEach(ProcessHandle::destroyForcibly);
      return process.destroyForcibly().waitFor();
    } catch (InterruptedException e) {
      process.descendants().forEach(ProcessHandle::destroyForcibly);
      process.destroyForcibly();
      throw new IllegalStateException(e);
    }
  }

  /** The system properties of a module's tests, from one of their reports. */
  private Map<String, String> settings(String module) throws IOException {
    Map<String, String> known = properties.get(module);
    if (known == null) {
      Path reports = folder.resolve("java").resolve(module).resolve("target/surefire-reports");
      try (Stream<Path> files = Files.list(reports)) {
        known =
            read(files.filter(file -> file.toString().endsWith(".xml")).findFirst().orElseThrow());
      }
      properties.put(module, known);
    }
    return known;
  }

  private static Map<String, String> read(Path report) throws IOException {
    Map<String, String> properties = new LinkedHashMap<>();
    try (InputStream in = Files.newInputStream(report)) {
      XMLInputFactory factory = XMLInputFactory.newDefaultFactory();
      factory.setProperty(XMLInputFactory.SUPPORT_DTD, false);
      XMLStreamReader xml = factory.createXMLStreamReader(in);
      while (xml.hasNext()) {
        if (xml.next() == XMLStreamConstants.START_ELEMENT
            && xml.getLocalName().equals("property")) {
          properties.put(xml.getAttributeValue(null, "name"), xml.getAttributeValue(null, "value"));
        }
      }
      return properties;
    } catch (XMLStreamException e) {
      throw new IOException(report + " cannot be read", e);
    }
  }
}
