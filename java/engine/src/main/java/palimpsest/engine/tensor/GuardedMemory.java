package palimpsest.engine.tensor;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;

/**
 * Memory that kernels are given. Under {@code palimpsest test --sanitize} AddressSanitizer knows
 * where it begins and ends, to the byte, and reports a kernel that touches what is beside it. By
 * itself it sees only the blocks of malloc, which are up to 63 bytes longer: an arena aligns inside
 * of them and rounds their size up.
 */
public final class GuardedMemory {
  /** Bytes on each side; no vector that a kernel loads or stores is wider. */
  private static final long GUARD = 64;

  /** {@code void __asan_poison_memory_region(void*, size_t)}; null without the sanitizer. */
  private static final MethodHandle POISON = poison();

  private GuardedMemory() {}

  /** Whether the sanitizer is there, which sees what touches memory beside a block. */
  public static boolean isGuarded() {
    return POISON != null;
  }

  /**
   * Zero-filled memory that lives as long as the arena.
   *
   * @param alignment at most 64
   */
  public static MemorySegment allocate(Arena arena, long bytes, long alignment) {
    if (POISON == null) {
      return arena.allocate(bytes, alignment);
    }
    long rounded = Math.addExact(bytes, 7) / 8 * 8;
    MemorySegment block = arena.allocate(Math.addExact(rounded, 2 * GUARD), GUARD);
    forbid(block.asSlice(0, GUARD));
    forbid(block.asSlice(GUARD + bytes));
    return block.asSlice(GUARD, bytes);
  }

  /** Until the block is freed; the sanitizer then forgets it. */
  private static void forbid(MemorySegment part) {
    try {
      POISON.invokeExact(part, part.byteSize());
    } catch (Throwable t) {
      throw new IllegalStateException("AddressSanitizer took no guard", t);
    }
  }

  private static MethodHandle poison() {
    String sanitizer = System.getProperty("palimpsest.sanitizer");
    if (sanitizer == null) {
      return null;
    }
    SymbolLookup symbols = SymbolLookup.libraryLookup(Path.of(sanitizer), Arena.global());
    return Linker.nativeLinker()
        .downcallHandle(
            symbols.findOrThrow("__asan_poison_memory_region"),
            FunctionDescriptor.ofVoid(ADDRESS, JAVA_LONG));
  }
}
