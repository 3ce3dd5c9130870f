package io.pbsattn.zoo.jinja;

import java.util.List;

/**
 * What stands between a tag and its end.
 *
 * @param statements tags and text in their order
 */
record Body(List<Statement> statements) {

    static final Body EMPTY = new Body(List.of());

    Flow run(Scope scope, TextBuilder out) {
        for (Statement statement : statements) {
            Flow flow = statement.run(scope, out);
            if (flow != Flow.NEXT) {
                return flow;
            }
        }
        return Flow.NEXT;
    }

    /** What the body writes. */
    String text(Scope scope) {
        TextBuilder out = new TextBuilder(scope.budget());
        run(scope, out);
        return out.toString();
    }
}
