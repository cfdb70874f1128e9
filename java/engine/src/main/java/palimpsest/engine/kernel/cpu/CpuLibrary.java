package palimpsest.engine.kernel.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;

/**
 * libpalimpsest.so, loaded once: from the system property {@code palimpsest.native} if set, else
 * from the jar, unpacked into the cache under the hash of its contents.
 */
public final class CpuLibrary {
  private static final String MAX_TIER = "PALIMPSEST_MAX_TIER";
  private static final String RESOURCE = "/native/linux-x86_64/libpalimpsest.so";

  private final SymbolLookup symbols;
  private final Map<String, Integer> indices = new HashMap<>();
  private final MethodHandle kernelsOf;
  private final MethodHandle bestTier;
  private final MethodHandle panelWidth;
  private final MethodHandle lastError;
  private final MethodHandle peak;

  private static final class Holder {
    static final CpuLibrary INSTANCE = new CpuLibrary(locate());
  }

  /**
   * The library.
   *
   * @throws IllegalStateException with the cause in one line if it cannot be loaded on this machine
   */
  public static CpuLibrary get() {
    try {
      return Holder.INSTANCE;
    } catch (ExceptionInInitializerError e) {
      throw new IllegalStateException(
          "the CPU kernels cannot be loaded: " + e.getCause().getMessage(), e.getCause());
    } catch (NoClassDefFoundError e) {
      throw new IllegalStateException(
          "the CPU kernels could not be loaded earlier in this process", e);
    }
  }

  private CpuLibrary(Path file) {
    symbols = SymbolLookup.libraryLookup(file, Arena.global());
    kernelsOf = function("palimpsest_kernels_of", FunctionDescriptor.of(ADDRESS, JAVA_INT));
    bestTier = function("palimpsest_best_tier", FunctionDescriptor.of(JAVA_INT));
    panelWidth = function("palimpsest_panel_width", FunctionDescriptor.of(JAVA_INT, JAVA_INT));
    lastError = function("palimpsest_last_error", FunctionDescriptor.of(ADDRESS));
    peak =
        function(
            "palimpsest_peak", FunctionDescriptor.of(JAVA_DOUBLE, JAVA_INT, JAVA_INT, JAVA_DOUBLE));
    MethodHandle kernelName =
        function("palimpsest_kernel_name", FunctionDescriptor.of(ADDRESS, JAVA_INT));
    try {
      for (int i = 0; ; i++) {
        MemorySegment name = (MemorySegment) kernelName.invokeExact(i);
        if (name.address() == 0) {
          break;
        }
        indices.put(text(name), i);
      }
    } catch (Throwable t) {
      throw rethrow(t);
    }
  }

  private MethodHandle function(String name, FunctionDescriptor descriptor) {
    return Linker.nativeLinker().downcallHandle(symbols.findOrThrow(name), descriptor);
  }

  /**
   * The best tier of this processor, capped by the environment variable PALIMPSEST_MAX_TIER.
   *
   * @throws IllegalStateException if that names no tier
   */
  public CpuTier bestTier() {
    requireTier(System.getenv(MAX_TIER));
    try {
      return CpuTier.values()[(int) bestTier.invokeExact()];
    } catch (Throwable t) {
      throw rethrow(t);
    }
  }

  static void requireTier(String cap) {
    if (cap != null && Stream.of(CpuTier.values()).noneMatch(tier -> tier.toString().equals(cap))) {
      throw new IllegalStateException(
          MAX_TIER + " is '" + cap + "'; it must be one of " + Arrays.toString(CpuTier.values()));
    }
  }

  /** Whether this processor runs the tier's instructions. */
  public boolean supports(CpuTier tier) {
    return table(tier).address() != 0;
  }

  /** Outputs a packed panel holds. */
  int panelWidth(CpuTier tier) {
    try {
      return (int) panelWidth.invokeExact(tier.ordinal());
    } catch (Throwable t) {
      throw rethrow(t);
    }
  }

  /** Register-only multiply-add rate of the calling thread, in GFLOP/s: the roof for benchmarks. */
  public double peak(CpuTier tier, boolean bf16, double seconds) {
    try {
      return (double) peak.invokeExact(tier.ordinal(), bf16 ? 1 : 0, seconds);
    } catch (Throwable t) {
      throw rethrow(t);
    }
  }

  /** The function of one kernel in one tier; {@code kernel} is "stem_verb". */
  MethodHandle bind(CpuTier tier, String kernel, FunctionDescriptor descriptor) {
    Integer index = indices.get(kernel);
    if (index == null) {
      throw new IllegalStateException("the CPU library has no kernel " + kernel);
    }
    MemorySegment table = table(tier);
    if (table.address() == 0) {
      throw new IllegalStateException("this processor does not run the tier " + tier);
    }
    MemorySegment entry =
        table.reinterpret((index + 1) * ADDRESS.byteSize()).getAtIndex(ADDRESS, index);
    return Linker.nativeLinker().downcallHandle(entry, descriptor);
  }

  /** Names of all kernels in the library, "stem_verb". */
  Set<String> kernelNames() {
    return Collections.unmodifiableSet(indices.keySet());
  }

  /** Turns a kernel's status into an exception with the library's own words. */
  void check(int status) {
    if (status == 0) {
      return;
    }
    try {
      throw new IllegalArgumentException(
          "CPU kernel refused its arguments: " + text((MemorySegment) lastError.invokeExact()));
    } catch (IllegalArgumentException e) {
      throw e;
    } catch (Throwable t) {
      throw rethrow(t);
    }
  }

  /** A native call declares Throwable and throws none. */
  static RuntimeException rethrow(Throwable t) {
    return switch (t) {
      case RuntimeException e -> e;
      case Error e -> throw e;
      default -> new IllegalStateException(t);
    };
  }

  private MemorySegment table(CpuTier tier) {
    try {
      return (MemorySegment) kernelsOf.invokeExact(tier.ordinal());
    } catch (Throwable t) {
      throw rethrow(t);
    }
  }

  private static String text(MemorySegment string) {
    return string.reinterpret(Long.MAX_VALUE).getString(0);
  }

  private static Path locate() {
    String given = System.getProperty("palimpsest.native");
    if (given != null) {
      return Path.of(given).toAbsolutePath();
    }
    try (InputStream in = CpuLibrary.class.getResourceAsStream(RESOURCE)) {
      if (in == null) {
        throw new IllegalStateException("this build holds no " + RESOURCE);
      }
      return unpack(in.readAllBytes());
    } catch (IOException e) {
      throw new IllegalStateException("cannot unpack " + RESOURCE + ": " + e.getMessage(), e);
    }
  }

  private static Path unpack(byte[] library) throws IOException {
    String hash = sha256(library);
    Path folder = cache().resolve("native").resolve(hash.substring(0, 32));
    Path file = folder.resolve("libpalimpsest.so");
    if (Files.isRegularFile(file) && sha256(Files.readAllBytes(file)).equals(hash)) {
      return file;
    }
    Files.createDirectories(
        folder, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    Path beside = Files.createTempFile(folder, "libpalimpsest", ".part");
    Files.write(beside, library);
    try {
      Files.move(beside, file, StandardCopyOption.ATOMIC_MOVE);
    } catch (AtomicMoveNotSupportedException e) {
      Files.move(beside, file, StandardCopyOption.REPLACE_EXISTING);
    }
    return file;
  }

  private static Path cache() {
    String xdg = System.getenv("XDG_CACHE_HOME");
    Path base =
        xdg != null && !xdg.isBlank()
            ? Path.of(xdg)
            : Path.of(System.getProperty("user.home"), ".cache");
    return base.resolve("palimpsest");
  }

  private static String sha256(byte[] bytes) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java platform has SHA-256", e);
    }
  }
}
