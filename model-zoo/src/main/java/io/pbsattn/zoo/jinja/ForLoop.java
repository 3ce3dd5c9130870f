package io.pbsattn.zoo.jinja;

import java.util.Iterator;
import java.util.NoSuchElementException;

/**
 * The tag {@code for}.
 *
 * @param target what each item is assigned to
 * @param test which items have a turn, or null for all
 * @param body what a turn writes
 * @param otherwise what is written if no turn came to its end
 */
record ForLoop(Target target, Expression test, Body body, Body otherwise) {

    Flow run(Object items, Scope scope, TextBuilder out) {
        return run(loop(items, scope, null, 0), scope, out);
    }

    /** What a recursive loop writes. */
    Object recurse(Object items, Scope scope, int depth) {
        TextBuilder out = new TextBuilder(scope.budget());
        Loop.Recursion recursion = (inner, innerDepth) -> recurse(inner, scope, innerDepth);
        run(loop(items, scope, recursion, depth), scope, out);
        return scope.captured(out.toString());
    }

    private Loop loop(Object items, Scope scope, Loop.Recursion recursion, int depth) {
        Iterator<Object> iterator = Sequences.iterator(items, scope.budget());
        return test == null
                ? new Loop(iterator, Sequences.size(items), recursion, depth, scope.budget())
                : new Loop(tested(iterator, scope), -1, recursion, depth, scope.budget());
    }

    private Flow run(Loop loop, Scope scope, TextBuilder out) {
        boolean completed = false;
        while (loop.advance()) {
            Scope turn = scope.inner();
            turn.set("loop", loop);
            target.assign(turn, loop.item());
            Flow flow = body.run(turn, out);
            if (flow == Flow.BREAK) {
                break;
            }
            completed |= flow == Flow.NEXT;
        }
        return completed ? Flow.NEXT : otherwise.run(scope.inner(), out);
    }

    /** The items for which the test holds; it is asked when an item's turn comes. */
    private Iterator<Object> tested(Iterator<Object> items, Scope scope) {
        return new Iterator<>() {
            private Object found;
            private boolean isFound;

            @Override
            public boolean hasNext() {
                while (!isFound && items.hasNext()) {
                    found = items.next();
                    Scope turn = scope.inner();
                    target.assign(turn, found);
                    isFound = test.isTrue(turn);
                }
                return isFound;
            }

            @Override
            public Object next() {
                if (!hasNext()) {
                    throw new NoSuchElementException();
                }
                isFound = false;
                return found;
            }
        };
    }
}
