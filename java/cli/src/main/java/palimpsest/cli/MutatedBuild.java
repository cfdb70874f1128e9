package palimpsest.cli;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
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
  private static final List<String> MODULES = List.of("privacy", "engine", "synth", "cli");

  private static final String CLASS_PATH = "surefire.test.class.path";
  private static final String FLAGS = "palimpsest.test.flags";
  private static final String LIBRARY =
      "java/engine/target/native-resources/native/linux-x86_64/libpalimpsest.so";
  private static final String RUNNER = "palimpsest.testing.NamedTest";

  /** {@code NamedTest}'s exit codes; the test classes are not on this one's class path. */
  private static final int PASSED = 0;

  private static final int FAILED = 10;
  private static final int NOT_RUN = 11;

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
   * Runs the mutation's test on the mutated sources.
   *
   * @throws IOException if the test's module left no report
   */
  MutatedTree.Outcome run(Mutation mutation) throws IOException {
    Map<String, String> settings = settings(mutation.module());
    Path overlay = folder.resolveSibling("overlay");
    AtomicFiles.deleteTree(overlay);
    Files.createDirectories(overlay);
    Files.writeString(log, "");
    String classPath = overlay + File.pathSeparator + settings.get(CLASS_PATH);
    Path test = testSource(mutation);
    Optional<String> problem = compile(mutation, test, classPath, overlay);
    boolean kernels = mutation.files().stream().anyMatch(file -> file.startsWith("native/"));
    if (problem.isEmpty() && kernels) {
      problem = buildKernels();
    }
    return problem.isPresent()
        ? new MutatedTree.Outcome(MutatedTree.Verdict.BROKEN, problem.get())
        : judge(test(mutation, test, settings, classPath, kernels));
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

  /**
   * The modules from the one that is changed up to the test's, and the test itself, which all may
   * have taken over its constants.
   *
   * @return the first complaint
   */
  private Optional<String> compile(Mutation mutation, Path test, String classPath, Path overlay)
      throws IOException {
    List<Path> sources = new ArrayList<>();
    boolean changed = false;
    for (String module : MODULES.subList(0, 1 + MODULES.indexOf(mutation.module()))) {
      String main = "java/" + module + "/src/main/java";
      changed |= mutation.files().stream().anyMatch(file -> file.startsWith(main));
      if (changed) {
        try (Stream<Path> files = Files.walk(folder.resolve(main))) {
          files.filter(file -> file.toString().endsWith(".java")).forEach(sources::add);
        }
      }
    }
    if (!changed) {
      return Optional.empty();
    }
    sources.add(test);
    StringWriter said = new StringWriter();
    try (StandardJavaFileManager files = compiler.getStandardFileManager(null, null, null)) {
      List<String> options =
          List.of("-nowarn", "-proc:none", "-cp", classPath, "-d", overlay.toString());
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

  private int test(
      Mutation mutation,
      Path source,
      Map<String, String> settings,
      String classPath,
      boolean kernels)
      throws IOException {
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
    Path module = folder.resolve("java").resolve(mutation.module());
    String type =
        module
            .resolve("src/test/java")
            .relativize(source)
            .toString()
            .replace(File.separatorChar, '.');
    command.addAll(List.of("-cp", classPath, RUNNER));
    command.addAll(List.of(type.substring(0, type.length() - ".java".length()), mutation.method()));
    return command(module, command.toArray(String[]::new));
  }

  private static MutatedTree.Outcome judge(int exit) {
    return switch (exit) {
      case PASSED -> new MutatedTree.Outcome(MutatedTree.Verdict.SURVIVED, "");
      case FAILED -> new MutatedTree.Outcome(MutatedTree.Verdict.KILLED, "");
      case NOT_RUN ->
          new MutatedTree.Outcome(
              MutatedTree.Verdict.BROKEN, "its test did not run, or is skipped");
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
