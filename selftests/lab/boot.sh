# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Boots a prepared kernel and brings back what COMMAND wrote and how it ended. Expects the variables
# that `run` sets; see there.

# Lines of the kernel's log that fail a run
REPORTS='BUG:|WARNING:|WARNING: CPU|Oops|kernel BUG at|Kernel panic|general protection fault|Unable to handle kernel'
REPORTS+='|KASAN:|KFENCE:|UBSAN:|DEBUG_LOCKS_WARN|ODEBUG:|possible (circular|recursive) locking|possible deadlock'
REPORTS+='|INFO: suspicious RCU usage|suspicious RCU usage|inconsistent lock state|lock held when returning'
REPORTS+='|INFO: task .* blocked for more than|detected stalls|self-detected stall|soft lockup|refcount_t:'
REPORTS+='|unregister_netdevice: waiting for|kmemleak: [0-9]+ new suspected|list_(add|del) corruption|Segfault with no mm'

# Without it, the allocator's own caches keep stale pointers that hide leaks from kmemleak.
SLAB_DEBUG=slab_debug=FZ

# write_guest_files: what `init` in the guest reads
write_guest_files() {
	cp "$LAB_DIR/init" "$run_dir/init"
	chmod +x "$run_dir/init"
	declare -p LAB_KIND LAB_RELEASE LAB_MODULES LAB_TOP LAB_CACHE LAB_OUT LAB_TTY |
		sed 's/^declare -[-x]* //' >"$run_dir/guest.env"
	printf '%s\0' "${command[@]}" >"$run_dir/command"
	guest_environment >"$run_dir/environ"
	: >"$run_dir/kernel.log"
}

# guest_environment: ours without what only means something out here
guest_environment() {
	local name

	while read -r name; do
		case $name in
		_ | SHLVL | PWD | OLDPWD | PATH | TMPDIR | MAKEFLAGS | MFLAGS | MAKELEVEL | MAKE_TERM* | EDITOR) ;;
		FZ_CACHE | FZ_LAB_* | LAB_* | SSH_* | DBUS_* | XDG_RUNTIME_DIR | DISPLAY | WAYLAND_* | INVOCATION_ID | NOTIFY_SOCKET) ;;
		BASH_* | LD_* | BASH_FUNC*) ;;
		*) printf '%s=%s\0' "$name" "${!name}" ;;
		esac
	done < <(compgen -e)
	printf '%s\0' "PATH=$TOP_DIR/build/bin:$PATH:/usr/local/sbin:/usr/sbin:/sbin" "FZ_LAB=$lab"
}

boot_qemu() {
	local words devices=()

	words="console=ttyS0 loglevel=7 panic=-1 oops=panic random.trust_cpu=on nokaslr"
	words+=" no_timer_check watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=120 fzlab=$run_dir $append"
	# A distribution's kernel needs modules to find the build machine's file system, our own does not. But
	# that is slow: it may measure its counter wrongly by a factor, so it gets a clock of known rate, and a
	# machine whose interrupts are routed by a table instead of a program that takes minutes.
	if [[ $lab == stock ]]; then
		words+=" tsc=reliable"
		devices=(-initrd "$(echo "$kernel_dir"/initramfs-*)")
	else
		devices=(-machine q35)
		words+=" tsc=unstable clocksource=hpet printk.time=1 init=$run_dir/init"
		[[ $lab != debug ]] || words+=" $SLAB_DEBUG"
		words+=" root=root rootfstype=9p ro rootflags=trans=virtio,version=9p2000.L,msize=512000,cache=loose"
	fi
	if [[ $LAB_TTY ]]; then
		devices+=(-chardev stdio,id=console,signal=off -device virtconsole,chardev=console)
	else
		devices+=(-chardev file,id=out,path=/dev/fd/1 -device virtserialport,chardev=out,name=out
			-chardev "file,id=err,path=/dev/fd/$err_fd" -device virtserialport,chardev=err,name=err)
	fi
	if [[ $LAB_OUT ]]; then
		devices+=(-virtfs "local,path=$LAB_OUT,mount_tag=out,security_model=none,multidevs=remap")
	fi
	exec setsid qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot \
		-accel tcg,thread=multi -cpu max -smp "$cpus" -m "$memory" \
		-kernel "$KERNEL_IMAGE" -append "$words" \
		-serial "file:$run_dir/kernel.log" \
		-device virtio-rng-pci -device virtio-serial-pci "${devices[@]}" \
		-virtfs "local,path=/,mount_tag=root,security_model=none,multidevs=remap,readonly=on" \
		-virtfs "local,path=$run_dir,mount_tag=lab,security_model=none,multidevs=remap"
}

boot_uml() {
	local extra=() input=null

	[[ ! $LAB_TTY ]] || input=fd:0
	case $lab in
	fast) extra=(ncpus="$cpus") ;;
	sanitizer) extra=("$SLAB_DEBUG") ;;
	esac
	# shellcheck disable=SC2206 # words
	extra+=($append)
	exec setsid "$KERNEL_IMAGE" mem="$memory" seccomp=on "${extra[@]}" \
		root=/dev/root rootfstype=hostfs rootflags=/ ro init="$run_dir/init" fzlab="$run_dir" \
		console=ttyS0 loglevel=7 printk.time=1 dummy.numdummies=0 panic=-1 oops=panic con=null \
		con0="$input,fd:1" con1="null,fd:$err_fd" \
		ssl=null ssl0="null,fd:$log_fd" 2>>"$run_dir/uml.log"
}

# vm: becomes the machine, with the console on stdin and stdout
vm() {
	if [[ $LAB_KIND == qemu ]]; then
		boot_qemu
	else
		boot_uml
	fi
}
