package palimpsest.cli;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import com.sun.management.HotSpotDiagnosticMXBean;
import java.io.IOException;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.invoke.MethodHandle;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Pattern;
import jdk.jfr.FlightRecorder;
import picocli.CommandLine.Model.CommandSpec;

/**
 * Keeps commands that read private records, those with {@link DataOptions}, from a process whose
 * memory, or messages of exceptions, could be written to a file or shown to other programs. The
 * launcher sets the flags of the virtual machine; options that were added to it, or another way of
 * starting, may have undone them. Linux is asked here: a limit on core files does not bind a
 * handler that they are piped to.
 */
final class MemoryGuard {
  /** Flags that such a command needs, with their values. */
  static final Map<String, String> FLAGS =
      Map.of(
          "CreateCoredumpOnCrash", "false",
          "DisableAttachMechanism", "true",
          "ErrorFileToStderr", "false",
          "ErrorFileToStdout", "false",
          "HeapDumpAfterFullGC", "false",
          "HeapDumpBeforeFullGC", "false",
          "HeapDumpOnOutOfMemoryError", "false",
          "ManagementServer", "false",
          "UsePerfData", "false");

  /** Flags that name programs to run beside a process that fails: none may be named. */
  private static final List<String> HANDLERS = List.of("OnError", "OnOutOfMemoryError");

  /** Options that load an agent, which sees everything; a debugger is one. */
  private static final Pattern AGENT = Pattern.compile("-(agentlib:|agentpath:|javaagent:|Xrun).*");

  /** Logs of the virtual machine; that of exceptions quotes their messages, for one. */
  private static final Pattern LOG = Pattern.compile("-Xlog.*");

  /** Logs that quote nothing: the launcher's, and those of the garbage collector alone. */
  private static final Pattern HARMLESS_LOG =
      Pattern.compile("-Xlog:(aot=off|disable|gc[*]?(=\\w+)?(:.*)?)");

  private static final Set<PosixFilePermission> OWNER_ONLY =
      PosixFilePermissions.fromString("rwx------");

  static final int GET_DUMPABLE = 3;
  private static final int SET_DUMPABLE = 4;

  private MemoryGuard() {}

  /** Why the command must not run here, in one line; empty if it may. */
  static Optional<String> refusal(CommandSpec command) {
    if (!readsRecords(command)) {
      return Optional.empty();
    }
    Optional<String> leak =
        changedFlag()
            .or(MemoryGuard::namedHandler)
            .or(MemoryGuard::openErrorFile)
            .or(MemoryGuard::leakingOption)
            .or(MemoryGuard::recording);
    if (leak.isPresent()) {
      return leak.map(what ->
          "this Java can write private records in its memory to a file, or show them to other"
              + " programs; start it by ./palimpsest, without "
              + what);
    }
    return becomeUndumpable()
        ? Optional.empty()
        : Optional.of(
            "this system does not let a process refuse core dumps (prctl), and one would hold"
                + " private records");
  }

  /** Whether the options of records are among the command's, at whatever depth. */
  static boolean readsRecords(CommandSpec command) {
    return command.mixins().values().stream()
        .anyMatch(mixin -> mixin.userObject() instanceof DataOptions || readsRecords(mixin));
  }

  private static Optional<String> changedFlag() {
    return new TreeMap<>(FLAGS)
        .entrySet().stream()
            .filter(flag -> !value(flag.getKey()).equals(flag.getValue()))
            .map(flag -> "changing " + option(flag.getKey(), flag.getValue()))
            .findFirst();
  }

  private static Optional<String> namedHandler() {
    return HANDLERS.stream()
        .filter(flag -> !value(flag).isEmpty())
        .map(flag -> "-XX:" + flag)
        .findFirst();
  }

  /**
   * The report of a virtual machine that crashes may hold pieces of records, so it goes where
   * others cannot look: the working directory, where it goes unless told, need not be such a
   * folder.
   */
  private static Optional<String> openErrorFile() {
    String file = value("ErrorFile");
    if (file.isEmpty()) {
      return Optional.of("leaving -XX:ErrorFile away");
    }
    Path folder = Path.of(file).toAbsolutePath().getParent();
    try {
      boolean alone = OWNER_ONLY.equals(Files.getPosixFilePermissions(folder));
      return alone && Files.isWritable(folder)
          ? Optional.empty()
          : Optional.of(
              "reporting a crash to "
                  + folder
                  + ", which must be this user's alone (chmod 700) and writable");
    } catch (IOException _) {
      return Optional.of("-XX:ErrorFile in " + folder + ", which is no folder");
    }
  }

  private static String value(String flag) {
    return ManagementFactory.getPlatformMXBean(HotSpotDiagnosticMXBean.class)
        .getVMOption(flag)
        .getValue();
  }

  /** Options, those from the environment and from files included. */
  private static Optional<String> leakingOption() {
    return ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
        .filter(option ->
            AGENT.matcher(option).matches()
                || LOG.matcher(option).matches() && !HARMLESS_LOG.matcher(option).matches())
        .map(option -> option.replaceFirst("=.*", ""))
        .findFirst();
  }

  /**
   * A recording of Java Flight Recorder holds messages of exceptions. Nothing of ours makes one, so
   * a recorder that was ever used is enough; the question does not start it.
   */
  private static Optional<String> recording() {
    boolean used =
        ModuleLayer.boot().findModule("jdk.jfr").isPresent() && FlightRecorder.isInitialized();
    return used ? Optional.of("a recording of Java Flight Recorder") : Optional.empty();
  }

  /** No core dump of this process, and no look into its memory by others of the same user. */
  private static boolean becomeUndumpable() {
    return prctl(SET_DUMPABLE) == 0 && prctl(GET_DUMPABLE) == 0;
  }

  /** Linux' prctl with 0 for what follows the option; -1 if it cannot be called. */
  static int prctl(int option) {
    Linker linker = Linker.nativeLinker();
    return linker
        .defaultLookup()
        .find("prctl")
        .map(address -> {
          try {
            MethodHandle call =
                linker.downcallHandle(
                    address,
                    FunctionDescriptor.of(
                        JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG),
                    Linker.Option.firstVariadicArg(1));
            return (int) call.invokeExact(option, 0L, 0L, 0L, 0L);
          } catch (Throwable t) {
            throw new IllegalStateException("prctl cannot be called", t);
          }
        })
        .orElse(-1);
  }

  /** The flag as an option of the java command. */
  static String option(String flag, String value) {
    return "-XX:" + (value.equals("true") ? '+' : '-') + flag;
  }
}
