package palimpsest.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import jdk.jfr.FlightRecorder;
import jdk.jfr.Recording;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;

class MemoryGuardTest {
  /** Flags that are as needed unless someone changes them, so that the launcher need not. */
  private static final Set<String> AS_NEEDED =
      Set.of(
          "ErrorFileToStderr",
          "ErrorFileToStdout",
          "HeapDumpAfterFullGC",
          "HeapDumpBeforeFullGC",
          "ManagementServer");

  @TempDir Path folder;

  /** Further variables of the environment in which a virtual machine is started. */
  private final Map<String, String> environment = new HashMap<>();

  /** The exit code and the lines of standard error of a command in a virtual machine of its own. */
  private List<String> run(List<String> flags, String... arguments) throws Exception {
    return run(Main.class, flags, arguments);
  }

  private List<String> run(Class<?> main, List<String> flags, String... arguments)
      throws Exception {
    List<String> command = new ArrayList<>();
    command.add(ProcessHandle.current().info().command().orElseThrow());
    command.add("--enable-native-access=ALL-UNNAMED");
    command.add("-XX:TieredStopAtLevel=1");
    command.addAll(flags);
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), main.getName()));
    command.addAll(List.of(arguments));
    Path errors = folder.resolve("errors");
    ProcessBuilder builder =
        new ProcessBuilder(command)
            .redirectError(errors.toFile())
            .redirectOutput(ProcessBuilder.Redirect.DISCARD);
    builder.environment().putAll(environment);
    List<String> result = new ArrayList<>(List.of(Integer.toString(builder.start().waitFor())));
    result.addAll(Files.readAllLines(errors, StandardCharsets.UTF_8));
    return result;
  }

  private List<String> needed() {
    List<String> flags = new ArrayList<>();
    flags.add("-XX:ErrorFile=" + folder.resolve("crash-%p.log"));
    MemoryGuard.FLAGS.forEach((flag, value) -> flags.add(MemoryGuard.option(flag, value)));
    return flags;
  }

  @Test
  void aMachineThatDumpsItsMemoryReadsNoRecords() throws Exception {
    String[] check = check();
    assertEquals(List.of("0"), run(needed(), check));
    for (Map.Entry<String, String> flag : MemoryGuard.FLAGS.entrySet()) {
      boolean wanted = flag.getValue().equals("true");
      String changed = MemoryGuard.option(flag.getKey(), wanted ? "false" : "true");
      List<String> refused = run(neededAnd(changed), check);
      assertEquals(Integer.toString(ExitCode.REFUSED), refused.getFirst(), flag.getKey());
      assertTrue(refused.getLast().contains(flag.getKey()), refused.getLast());
    }
  }

  private String[] check() throws IOException {
    String file = Files.writeString(folder.resolve("a.csv"), "text\nhello\n").toString();
    return new String[] {"check", file, "--text", "text"};
  }

  private List<String> neededAnd(String... options) {
    List<String> flags = new ArrayList<>(needed());
    flags.addAll(List.of(options));
    return flags;
  }

  /** Each of these shows messages of exceptions, or all of the memory, to a file or a program. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "-XX:StartFlightRecording",
        "-XX:StartFlightRecording=delay=1h,filename=%s/a.jfr",
        "-Dcom.sun.management.jmxremote",
        "-agentlib:jdwp=transport=dt_socket,server=y,suspend=n",
        "-Xrunjdwp:transport=dt_socket,server=y,suspend=n",
        "-XX:OnError=true",
        "-XX:OnOutOfMemoryError=true",
        "-XX:+ErrorFileToStderr",
        "-XX:+ErrorFileToStdout",
        "-Xlog:exceptions=info:file=%s/log",
        "-Xlog:gc,exceptions=info",
        "-Xlog:all"
      })
  void whatCouldShowRecordsIsRefused(String option) throws Exception {
    List<String> refused = run(neededAnd(String.format(option, folder)), check());
    assertEquals(Integer.toString(ExitCode.REFUSED), refused.getFirst(), refused.toString());
    assertTrue(refused.getLast().contains("start it by ./palimpsest, without "), refused.getLast());
  }

  /** A crash of the virtual machine is reported where the owner alone can look. */
  @Test
  void aCrashIsReportedToTheOwnerAlone() throws Exception {
    List<String> flags = new ArrayList<>(needed());
    flags.removeFirst();
    List<String> refused = run(flags, check());
    assertTrue(
        refused.getLast().endsWith("without leaving -XX:ErrorFile away"), refused.toString());
    Path absent = folder.resolve("absent");
    refused = run(neededAnd("-XX:ErrorFile=" + absent.resolve("crash.log")), check());
    assertTrue(refused.getLast().contains(absent + ", which is no folder"), refused.toString());
    Path open = Files.createDirectory(absent);
    for (String mode : List.of("rwx---r-x", "rwx--x---", "r-x------", "rwx------")) {
      Files.setPosixFilePermissions(open, PosixFilePermissions.fromString(mode));
      List<String> said = run(neededAnd("-XX:ErrorFile=" + open.resolve("crash.log")), check());
      boolean alone = mode.equals("rwx------");
      assertEquals(alone ? "0" : Integer.toString(ExitCode.REFUSED), said.getFirst(), mode);
      assertEquals(!alone, said.getLast().contains("(chmod 700)"), said.toString());
    }
  }

  /** An agent by its file, and options that are in a file or in the environment. */
  @Test
  void optionsAreSeenWhereverTheyWereGiven() throws Exception {
    Path options = Files.writeString(folder.resolve("options"), "-XX:OnError=true\n");
    List<String> byFile = run(neededAnd("-XX:VMOptionsFile=" + options), check());
    assertTrue(byFile.getLast().endsWith("without -XX:OnError"), byFile.toString());
    for (String variable : List.of("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS")) {
      environment.put(variable, "-Xlog:exceptions=info:stderr");
      List<String> refused = run(needed(), check());
      environment.clear();
      assertTrue(refused.getLast().endsWith("without -Xlog:exceptions"), refused.toString());
    }
  }

  /** What is documented for PALIMPSEST_JAVA_OPTS, what the launcher adds, and a collector's log. */
  @Test
  void harmlessOptionsAreTaken() throws Exception {
    List<String> options =
        neededAnd(
            "-Xmx1g",
            "-XX:+UseSerialGC",
            "-XX:AOTCache=" + folder.resolve("absent.aot"),
            "-Xlog:aot=off",
            "-Xlog:gc*:file=" + folder.resolve("gc.log"));
    assertEquals(List.of("0"), run(options, check()));
  }

  /** Asks the guard before and after the process starts a recording of itself. */
  static final class Recorded {
    public static void main(String[] arguments) {
      CommandSpec check = new CommandLine(new CheckCommand()).getCommandSpec();
      System.err.println(MemoryGuard.refusal(check).isEmpty());
      System.err.println(FlightRecorder.isInitialized());
      try (Recording recording = new Recording()) {
        recording.start();
        System.err.println(MemoryGuard.refusal(check).isEmpty());
      }
    }
  }

  @Test
  void aProcessThatIsRecordedReadsNoRecords() throws Exception {
    assertEquals(List.of("0", "true", "false", "false"), run(Recorded.class, needed()));
  }

  /** Says whether this process can be dumped after the guard let a command read records. */
  static final class Look {
    public static void main(String[] arguments) {
      System.err.println(MemoryGuard.prctl(MemoryGuard.GET_DUMPABLE));
      System.err.println(
          MemoryGuard.refusal(new CommandLine(new CheckCommand()).getCommandSpec()).isEmpty());
      System.err.println(MemoryGuard.prctl(MemoryGuard.GET_DUMPABLE));
    }
  }

  @Test
  void aProcessThatReadsRecordsCannotBeDumped() throws Exception {
    assertEquals(List.of("0", "1", "true", "0"), run(Look.class, needed()));
  }

  /** It is the command that was parsed that counts, in whatever words it was given. */
  @Test
  void noWordsLeadAroundTheGuard() throws Exception {
    String file = Files.writeString(folder.resolve("a.csv"), "text\nhello\n").toString();
    Path words =
        Files.write(folder.resolve("words"), List.of("check", file, "--text=text", "--json"));
    List<String> refused = run(List.of(), "@" + words);
    assertEquals(Integer.toString(ExitCode.REFUSED), refused.getFirst());
    assertTrue(refused.toString().contains("\"exit\" : 3"), refused.toString());
  }

  @Test
  void whatReadsNoRecordsMayRun() throws Exception {
    for (String command : List.of("--version", "check --help", "doctor")) {
      assertEquals("0", run(List.of(), command.split(" ")).getFirst(), command);
    }
  }

  /** The launcher sets every flag and sets none the other way, at a terminal or elsewhere. */
  @Test
  void theLauncherSetsTheFlags() throws IOException {
    String launcher =
        Files.readString(Path.of(System.getProperty("palimpsest.root", "../.."), "palimpsest"));
    assertTrue(launcher.contains("-XX:ErrorFile=\"$state/crash-%p.log\""));
    for (Map.Entry<String, String> flag : MemoryGuard.FLAGS.entrySet()) {
      boolean wanted = flag.getValue().equals("true");
      String option = MemoryGuard.option(flag.getKey(), flag.getValue());
      assertTrue(launcher.contains(option) || AS_NEEDED.contains(flag.getKey()), option);
      assertFalse(
          launcher.contains(MemoryGuard.option(flag.getKey(), wanted ? "false" : "true")), option);
    }
  }

  /**
   * A launcher in a folder of its own, whose Maven builds nothing and whose Java prints what it is
   * given.
   */
  @Test
  void theLauncherTakesNoOptionsOfOtherJavas() throws Exception {
    Path own = folder.resolve("own");
    Files.createDirectories(own.resolve("java/cli"));
    for (String file : List.of("pom.xml", "java/cli/pom.xml", "native", "cuda", "cmake")) {
      Files.createFile(own.resolve(file));
    }
    Files.copy(
        Path.of(System.getProperty("palimpsest.root", "../.."), "palimpsest"),
        own.resolve("palimpsest"));
    Path jdk = own.resolve("jdk");
    program(
        jdk.resolve("bin/java"),
        "printenv JAVA_TOOL_OPTIONS JDK_JAVA_OPTIONS _JAVA_OPTIONS; printf '%s\\n' \"$@\"");
    program(jdk.resolve("bin/javac"), "");
    Files.writeString(jdk.resolve("release"), "JAVA_VERSION=\"25.0.1\"\n");
    String jars = own.resolve("java/cli/target") + "/";
    program(
        own.resolve("bin/mvn"),
        "mkdir -p " + jars + "lib && touch " + jars + "cli-1.jar " + jars + "lib/a.jar");
    ProcessBuilder launch = new ProcessBuilder(own.resolve("palimpsest").toString(), "doctor");
    launch.environment().put("JAVA_HOME", jdk.toString());
    launch.environment().put("PATH", own.resolve("bin") + ":" + System.getenv("PATH"));
    launch.environment().put("PALIMPSEST_STATE", own.resolve("state").toString());
    launch.environment().put("PALIMPSEST_JAVA_OPTS", "-Xmx8g");
    for (String variable : List.of("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS")) {
      launch.environment().put(variable, "-Dof=others");
    }
    Path said = own.resolve("said");
    Process process = launch.redirectErrorStream(true).redirectOutput(said.toFile()).start();
    assertEquals(0, process.waitFor(), Files.readString(said));
    List<String> lines = Files.readAllLines(said);
    assertTrue(lines.contains("-Xmx8g"), lines.toString());
    assertFalse(lines.toString().contains("-Dof=others"), lines.toString());
  }

  private static void program(Path file, String lines) throws IOException {
    Files.createDirectories(file.getParent());
    Files.writeString(file, "#!/bin/sh\n" + lines + "\n");
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwx------"));
  }

  /** Every command that takes a file of records, wherever its options come from. */
  @Test
  void everyCommandThatReadsRecordsIsGuarded() {
    List<String> guarded = new ArrayList<>();
    collect(new CommandLine(new Main()).getCommandSpec(), "", guarded);
    assertEquals(
        List.of("audit curve", "audit text", "check", "evaluate", "synthesize", "train"),
        guarded.stream().sorted().toList());
  }

  private static void collect(CommandSpec command, String name, List<String> guarded) {
    if (MemoryGuard.readsRecords(command)) {
      guarded.add(name.strip());
    }
    command
        .subcommands()
        .forEach((word, below) -> collect(below.getCommandSpec(), name + " " + word, guarded));
  }

  /** Options inside of options. */
  @Test
  void aMixinOfAMixinIsFound() {
    CommandSpec inner = CommandSpec.forAnnotatedObject(new DataOptions());
    CommandSpec middle = CommandSpec.create().addMixin("inner", inner);
    assertTrue(MemoryGuard.readsRecords(CommandSpec.create().addMixin("middle", middle)));
    assertFalse(
        MemoryGuard.readsRecords(CommandSpec.create().addMixin("other", CommandSpec.create())));
  }
}
