# Runs the command of its arguments on a terminal of its own. Says "raw" once that is so; types each line of stdin there
# (\r, \x03 as in Python), or sends `signal:N`; at the end, how it ended, and whether the terminal is as it was.
import fcntl, os, pty, select, sys, termios

# The slave stays open here: its settings are looked at when the command has gone.
terminal, slave = pty.openpty()
before = termios.tcgetattr(slave)
pid = os.fork()
if pid == 0:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in range(3):
        os.dup2(slave, fd)
    os.execvp(sys.argv[1], sys.argv[1:])
is_raw = False
status = None
while status is None:
    ready, _, _ = select.select([terminal, 0] if is_raw else [terminal], [], [], 0.02)
    if terminal in ready:
        os.read(terminal, 4096)
    if 0 in ready:
        line = os.read(0, 4096).decode().strip()
        if line.startswith("signal:"):
            os.kill(pid, int(line[7:]))
        elif line:
            os.write(terminal, line.encode().decode("unicode_escape").encode())
    if not is_raw and not termios.tcgetattr(slave)[3] & termios.ICANON:
        is_raw = True
        print("raw", flush=True)
    done, found = os.waitpid(pid, os.WNOHANG)
    if done:
        status = found
end = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit {os.WEXITSTATUS(status)}"
print(f"{end}, {'given back' if termios.tcgetattr(slave) == before else 'not given back'}", flush=True)
