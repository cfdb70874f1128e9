package palimpsest.engine.weights;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;

/**
 * Files and folders that are there in full or not at all: written beside their place, flushed to
 * the device, renamed.
 */
public final class AtomicFiles {
  private static final String PARTIAL = ".partial";

  private AtomicFiles() {}

  /** What fills a new file. */
  @FunctionalInterface
  public interface FileBody {
    void write(FileChannel channel) throws IOException;
  }

  /** What fills a new, empty folder. */
  @FunctionalInterface
  public interface FolderBody {
    void write(Path folder) throws IOException;
  }

  /**
   * Writes a file, replacing one of that name.
   *
   * @throws ModelFileException if it cannot be written; the old file is then untouched
   */
  public static void file(Path target, FileBody body) {
    Path place = target.toAbsolutePath();
    Path partial = beside(place);
    try {
      try (FileChannel channel =
          FileChannel.open(partial, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
        body.write(channel);
        channel.force(true);
      }
      Files.move(
          partial, place, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
      flushFolder(place.getParent());
    } catch (IOException e) {
      throw new ModelFileException("cannot write " + target + ": " + reason(e), e);
    } finally {
      deleteTree(partial);
    }
  }

  /** Writes a file of the given bytes, replacing one of that name. */
  public static void file(Path target, byte[] bytes) {
    file(
        target,
        channel -> {
          ByteBuffer buffer = ByteBuffer.wrap(bytes);
          while (buffer.hasRemaining()) {
            channel.write(buffer);
          }
        });
  }

  /**
   * Makes a folder that must not exist yet (an empty one may).
   *
   * @throws ModelFileException if the folder holds something or cannot be written
   */
  public static void folder(Path target, FolderBody body) {
    Path place = target.toAbsolutePath();
    Path partial = beside(place);
    try {
      refuseOccupied(place);
      List<Path> listing = listingNewFolders(place.getParent());
      Files.createDirectories(partial);
      body.write(partial);
      flushFolder(partial);
      Files.move(partial, place, StandardCopyOption.ATOMIC_MOVE);
      for (Path folder : listing) {
        flushFolder(folder);
      }
    } catch (IOException e) {
      throw new ModelFileException("cannot write " + target + ": " + reason(e), e);
    } finally {
      deleteTree(partial);
    }
  }

  /**
   * Removes what a process that was killed while it wrote {@code target} left beside it. Call it
   * only where no other process can be writing the same target.
   */
  public static void removeLeftovers(Path target) {
    Path place = target.toAbsolutePath().normalize();
    if (!Files.isDirectory(place.getParent())) {
      return;
    }
    String start = "." + place.getFileName() + ".";
    try (DirectoryStream<Path> beside =
        Files.newDirectoryStream(
            place.getParent(),
            path -> {
              String name = path.getFileName().toString();
              return name.startsWith(start) && name.endsWith(PARTIAL);
            })) {
      beside.forEach(AtomicFiles::deleteTree);
    } catch (IOException e) {
      throw new ModelFileException("cannot look into " + place.getParent() + ": " + reason(e), e);
    }
  }

  private static void refuseOccupied(Path place) throws IOException {
    if (!Files.exists(place)) {
      return;
    }
    if (Files.isDirectory(place)) {
      try (var entries = Files.newDirectoryStream(place)) {
        if (!entries.iterator().hasNext()) {
          return;
        }
      }
    }
    throw new FileAlreadyExistsException("already there; remove it or choose another name");
  }

  /** The parent, and where it or parents of it are yet to be made, all that will list them. */
  private static List<Path> listingNewFolders(Path parent) {
    List<Path> listing = new ArrayList<>(List.of(parent));
    while (!Files.exists(listing.getLast())) {
      listing.add(listing.getLast().getParent());
    }
    return listing;
  }

  private static Path beside(Path place) {
    String unique = Long.toHexString(System.nanoTime() ^ ProcessHandle.current().pid() << 40);
    return place.resolveSibling("." + place.getFileName() + "." + unique + PARTIAL);
  }

  private static String reason(IOException e) {
    return e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
  }

  /** A rename is durable only once the folder that lists it is. */
  private static void flushFolder(Path folder) throws IOException {
    try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
      channel.force(true);
    }
  }

  /** Removes a file or folder with all it holds, following no link; nothing there is no error. */
  public static void deleteTree(Path root) {
    if (!Files.exists(root, LinkOption.NOFOLLOW_LINKS)) {
      return;
    }
    try {
      Files.walkFileTree(
          root,
          new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes a) throws IOException {
              Files.delete(file);
              return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult postVisitDirectory(Path folder, IOException e)
                throws IOException {
              Files.delete(folder);
              return FileVisitResult.CONTINUE;
            }
          });
    } catch (IOException e) {
      throw new ModelFileException("cannot remove " + root, e);
    }
  }
}
