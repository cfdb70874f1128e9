package palimpsest.house;

import com.tngtech.archunit.core.domain.Dependency;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;

/**
 * The floors of a house of packages: a class may use its own room (a package and those under it)
 * and rooms on floors below.
 *
 * @param floorOf floor of each room, by the room's package name; rooms on one floor are strangers
 */
record Arrows(Map<String, Integer> floorOf) {

  /** Each use of a room that is not below, and each class in no room, in words. */
  List<String> violations(JavaClasses classes, String root) {
    TreeSet<String> found = new TreeSet<>();
    for (JavaClass user : classes) {
      if (!isUnder(user.getPackageName(), root)) {
        continue;
      }
      Optional<String> room = roomOf(user);
      if (room.isEmpty()) {
        found.add(user.getName() + " is in no room of the house");
        continue;
      }
      for (Dependency dependency : user.getDirectDependenciesFromSelf()) {
        JavaClass used = dependency.getTargetClass().getBaseComponentType();
        roomOf(used)
            .filter(other -> !other.equals(room.get()))
            .filter(other -> floorOf.get(other) >= floorOf.get(room.get()))
            .ifPresent(_ -> found.add(user.getName() + " uses " + used.getName()));
      }
    }
    return List.copyOf(found);
  }

  private Optional<String> roomOf(JavaClass type) {
    return floorOf.keySet().stream()
        .filter(room -> isUnder(type.getPackageName(), room))
        .max((a, b) -> Integer.compare(a.length(), b.length()));
  }

  private static boolean isUnder(String packageName, String room) {
    return packageName.equals(room) || packageName.startsWith(room + ".");
  }
}
