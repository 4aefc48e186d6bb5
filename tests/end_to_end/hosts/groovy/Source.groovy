import org.codehaus.groovy.ast.ClassCodeVisitorSupport
import org.codehaus.groovy.ast.ClassNode
import org.codehaus.groovy.ast.MethodNode
import org.codehaus.groovy.ast.expr.ArgumentListExpression
import org.codehaus.groovy.ast.expr.ConstantExpression
import org.codehaus.groovy.ast.expr.ConstructorCallExpression
import org.codehaus.groovy.ast.expr.MapExpression
import org.codehaus.groovy.ast.expr.MethodCallExpression
import org.codehaus.groovy.ast.expr.TupleExpression
import org.codehaus.groovy.ast.stmt.CatchStatement
import org.codehaus.groovy.classgen.GeneratorContext
import org.codehaus.groovy.control.CompilePhase
import org.codehaus.groovy.control.SourceUnit
import org.codehaus.groovy.control.customizers.CompilationCustomizer

/** Facts about a script that only real Jenkins would trip over: what its sandbox and its CPS transformation forbid. */
class Source extends CompilationCustomizer {
    final Map<String, Map> methods = [:]    // name -> nonCps, calls (to this script or to steps)
    final Set<String> invoked = []          // methods called on other objects
    final Set<String> constructed = []
    final Set<String> caught = []
    final List shells = []                  // for each `sh`: its script, or null when it is no constant

    Source() {
        super(CompilePhase.CONVERSION)
    }

    void call(SourceUnit unit, GeneratorContext context, ClassNode type) {
        type.methods.each { MethodNode method ->
            boolean nonCps = method.annotations.any { it.classNode.nameWithoutPackage == 'NonCPS' }
            Map facts = [nonCps: nonCps, calls: [] as Set]
            methods[method.name] = facts
            method.code?.visit(new ClassCodeVisitorSupport() {
                protected SourceUnit getSourceUnit() {
                    return unit
                }

                void visitMethodCallExpression(MethodCallExpression node) {
                    super.visitMethodCallExpression(node)
                    (node.implicitThis ? facts.calls : invoked).add(node.methodAsString)
                    if (node.methodAsString == 'sh') {
                        shells.add(scriptOf(node.arguments))
                    }
                }

                void visitConstructorCallExpression(ConstructorCallExpression node) {
                    super.visitConstructorCallExpression(node)
                    constructed.add(node.type.name)
                }

                void visitCatchStatement(CatchStatement node) {
                    super.visitCatchStatement(node)
                    caught.add(node.exceptionType.name)
                }
            })
        }
    }

    private static String scriptOf(TupleExpression arguments) {
        def options = arguments.expressions.find { it instanceof MapExpression }
        def script = options?.mapEntryExpressions?.find { it.keyExpression.text == 'script' }?.valueExpression
        return script instanceof ConstantExpression ? script.value : null
    }
}
