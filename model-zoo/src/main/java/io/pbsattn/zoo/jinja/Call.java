package io.pbsattn.zoo.jinja;

/** A call, which the tag {@code call} gives a caller. */
final class Call extends Expression {

    private final Expression callee;
    private final CallArguments arguments;

    Call(int line, Expression callee, CallArguments arguments) {
        super(
                line,
                scope -> invoke(callee.evaluate(scope), arguments.evaluate(scope)),
                arguments.parts(callee));
        this.callee = callee;
        this.arguments = arguments;
    }

    Object evaluate(Scope scope, Macro caller) {
        Object function = callee.evaluate(scope);
        Arguments evaluated = arguments.evaluate(scope);
        return invoke(function, evaluated.with("caller", caller));
    }

    private static Object invoke(Object function, Arguments arguments) {
        if (function instanceof Callable callable) {
            return callable.call(arguments);
        } else if (function instanceof Undefined undefined) {
            throw undefined.error();
        }
        throw new JinjaException(Values.describe(function) + " cannot be called");
    }
}
