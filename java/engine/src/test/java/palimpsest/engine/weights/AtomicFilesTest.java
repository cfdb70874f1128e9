package palimpsest.engine.weights;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import palimpsest.testing.FaultyFiles;

/** Files and folders are there in full or not at all. */
class AtomicFilesTest {
  @TempDir Path folder;

  private List<String> names() throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(file -> file.getFileName().toString()).toList();
    }
  }

  @Test
  void aFolderAppearsWholeOrNotAtAll() throws IOException {
    Path out = folder.resolve("out");
    assertThrows(
        IllegalStateException.class,
        () ->
            AtomicFiles.folder(
                out,
                partial -> {
                  Files.writeString(partial.resolve("first"), "1");
                  throw new IllegalStateException("stopped");
                }));
    assertEquals(List.of(), names());
    AtomicFiles.folder(
        out,
        partial -> {
          Files.writeString(partial.resolve("first"), "1");
          assertFalse(Files.exists(out), "it is not there before it is complete");
        });
    assertEquals(List.of("out"), names());
    assertEquals("1", Files.readString(out.resolve("first")));
  }

  @Test
  void aFileThatCannotBeFinishedLeavesTheOldOne() throws IOException {
    Path file = folder.resolve("file");
    AtomicFiles.file(file, new byte[] {'o', 'l', 'd'});
    assertThrows(
        IllegalStateException.class,
        () ->
            AtomicFiles.file(
                file,
                channel -> {
                  channel.write(ByteBuffer.wrap(new byte[] {'n'}));
                  throw new IllegalStateException("stopped");
                }));
    assertEquals("old", Files.readString(file));
    assertEquals(List.of("file"), names());
  }

  @Test
  void aFolderThatHoldsSomethingIsKept() throws IOException {
    Files.writeString(folder.resolve("mine"), "keep");
    assertThrows(ModelFileException.class, () -> AtomicFiles.folder(folder, partial -> {}));
    assertEquals("keep", Files.readString(folder.resolve("mine")));
  }

  /**
   * What the traced process does: a file written twice, and a folder with files of both kinds in
   * folders that are yet to be made.
   */
  static final class Writer {
    private Writer() {}

    public static void main(String[] arguments) {
      Path file = Path.of(arguments[0], "file");
      AtomicFiles.file(file, new byte[] {1});
      FaultyFiles.mark("written");
      AtomicFiles.file(file, new byte[] {2});
      FaultyFiles.mark("replaced");
      AtomicFiles.folder(
          Path.of(arguments[0], "new", "parents", "folder"),
          partial -> {
            AtomicFiles.file(partial.resolve("first"), new byte[] {3});
            try (FileChannel own =
                FileChannel.open(
                    partial.resolve("own"),
                    StandardOpenOption.CREATE_NEW,
                    StandardOpenOption.WRITE)) {
              own.write(ByteBuffer.wrap(new byte[] {4}));
              own.force(true);
            }
          });
    }
  }

  @Test
  void whatAppearsIsOnDisk() throws Exception {
    Path place = Files.createDirectory(folder.resolve("traced")).toRealPath();
    List<String> trace =
        FaultyFiles.compile(folder).trace(FaultyFiles.java(Writer.class, place.toString()), place);
    assertEquals(4, trace.stream().filter(line -> line.startsWith("rename")).count());
    assertEquals("", FaultyFiles.unsafe(trace, path -> true));
  }
}
