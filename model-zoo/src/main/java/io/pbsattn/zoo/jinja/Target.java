package io.pbsattn.zoo.jinja;

import java.util.List;

/** What a value is assigned to. */
interface Target {

    void assign(Scope scope, Object value);

    /** A variable. */
    static Target variable(String name) {
        return (scope, value) -> scope.set(name, value);
    }

    /** An attribute of a namespace. */
    static Target attribute(String namespace, String name) {
        return (scope, value) -> {
            if (!(scope.get(namespace) instanceof Namespace found)) {
                throw new JinjaException(
                        "cannot set '" + name + "': '" + namespace + "' is no namespace");
            }
            scope.budget().items(1);
            found.set(name, value);
        };
    }

    /** Targets that take the items of a value. */
    static Target items(List<Target> targets) {
        return (scope, value) -> {
            List<Object> items = Sequences.list(value, scope.budget());
            if (items.size() != targets.size()) {
                throw new JinjaException(
                        "expected " + targets.size() + " items to unpack, found " + items.size());
            }
            for (int i = 0; i < items.size(); ++i) {
                targets.get(i).assign(scope, items.get(i));
            }
        };
    }
}
