package palimpsest.cli;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import com.sun.management.HotSpotDiagnosticMXBean;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.invoke.MethodHandle;
import java.lang.management.ManagementFactory;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import picocli.CommandLine.Model.CommandSpec;

/**
 * Keeps commands that read private records, those with {@link DataOptions}, from a process whose
 * memory could be written to a file or shown to other programs. The launcher sets the flags of the
 * virtual machine; options that were added to it, or another way of starting, may have undone them.
 * Linux is asked here: a limit on core files does not bind a handler that they are piped to.
 */
final class MemoryGuard {
  /** Flags that such a command needs, with their values. */
  static final Map<String, String> FLAGS =
      Map.of(
          "CreateCoredumpOnCrash", "false",
          "DisableAttachMechanism", "true",
          "HeapDumpAfterFullGC", "false",
          "HeapDumpBeforeFullGC", "false",
          "HeapDumpOnOutOfMemoryError", "false",
          "UsePerfData", "false");

  static final int GET_DUMPABLE = 3;
  private static final int SET_DUMPABLE = 4;

  private MemoryGuard() {}

  /** Why the command must not run here, in one line; empty if it may. */
  static Optional<String> refusal(CommandSpec command) {
    if (command.mixins().values().stream()
        .noneMatch(mixin -> mixin.userObject() instanceof DataOptions)) {
      return Optional.empty();
    }
    HotSpotDiagnosticMXBean machine =
        ManagementFactory.getPlatformMXBean(HotSpotDiagnosticMXBean.class);
    Optional<String> flag =
        new TreeMap<>(FLAGS)
            .entrySet().stream()
                .filter(f -> !machine.getVMOption(f.getKey()).getValue().equals(f.getValue()))
                .map(f -> option(f.getKey(), f.getValue()))
                .findFirst()
                .map(option ->
                    "this Java can write private records in its memory to a file, or show them to"
                        + " other programs; start it by ./palimpsest, without changing "
                        + option);
    if (flag.isPresent()) {
      return flag;
    }
    return becomeUndumpable()
        ? Optional.empty()
        : Optional.of(
            "this system does not let a process refuse core dumps (prctl), and one would hold"
                + " private records");
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
