"""Does what the launcher of a Cloud Native image does (lifecycle 0.16 and newer, a direct process).

launcher.py LAYERS COMMAND...: runs each exec.d program of each layer, in alphabetical order, with a pipe as file descriptor 3;
reads the pipe to its end; adds what it read, a TOML table of strings, to the environment; gives up on any status but 0.
Then it becomes the command, in the same process.
"""
import os
import sys
import tomllib


def run(program, environment):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(writer, 3)
        os.closerange(4, 64)
        os.execve(program, [program], environment)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as pipe:
        written = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status != 0:
        sys.exit(f"launcher: {program} ended with {status}")
    variables = tomllib.loads(written)
    for name, value in variables.items():
        if not isinstance(value, str):
            sys.exit(f"launcher: {name} is not a string")
    return variables


layers, command = sys.argv[1], sys.argv[2:]
environment = dict(os.environ)
for layer in sorted(entry.path for entry in os.scandir(layers) if entry.is_dir()):
    programs = os.path.join(layer, "exec.d")
    for program in sorted(os.listdir(programs)) if os.path.isdir(programs) else []:
        environment.update(run(os.path.join(programs, program), environment))
os.execvpe(command[0], command, environment)
