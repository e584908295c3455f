# The doors of the project. Guests for tests, demo and benchmarks are made by tests/vm.

KERNEL ?= 6.12
PREFIX ?= /usr/local
SBINDIR ?= $(PREFIX)/sbin
MANDIR ?= $(PREFIX)/share/man
DATADIR ?= $(PREFIX)/share
BASHDIR ?= $(DATADIR)/bash-completion/completions
ZSHDIR ?= $(DATADIR)/zsh/site-functions
FISHDIR ?= $(DATADIR)/fish/vendor_completions.d
TARGET := $(or $(CARGO_TARGET_DIR),target)
BINARY ?= $(TARGET)/*-linux-*/release/mdctl
TERMINAL := $(shell [ -t 1 ] && echo 1)

.PHONY: all test demo bench boot deb rpm generate-rpm install install-mdadm install-boot install-rpm clean

# The release build: one static program.
all:
	tests/vm/build --release
	@ls -l $(TARGET)/*-linux-*/release/mdctl

# Everything that must hold. KERNEL is 6.1, 6.12, 7.2 or several of them in quotes; CASES=all adds the cases on a real
# kernel that take long.
test:
	MDCTL_CASES=$(CASES) tests/everything $(KERNEL)

demo:
	tests/vm/run --release --kernel $(KERNEL) --disks 4:64M --put tests/vm/demo.sh -- \
		env TERMINAL=$(TERMINAL) /root/demo.sh

# Beside the reference in the guest; the start of the program and redundancy on this machine, for the guest's processor is
# emulated.
bench:
	tests/vm/run --release --kernel $(KERNEL) --memory 3072 --put benches/guest.sh -- /root/guest.sh
	benches/start.sh
	cargo bench --quiet --package raid

# Beside an installed mdadm: nothing of its name is touched.
install:
	install -D -m 755 $(BINARY) $(DESTDIR)$(SBINDIR)/mdctl
	for page in $(filter-out man/mdadm% man/raid6check%,$(wildcard man/*.[58])); do install -D -m 644 $$page $(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/}; done
	install -D -m 644 packaging/completions/mdctl.bash $(DESTDIR)$(BASHDIR)/mdctl
	install -D -m 644 packaging/completions/_mdctl $(DESTDIR)$(ZSHDIR)/_mdctl
	install -D -m 644 packaging/completions/mdctl.fish $(DESTDIR)$(FISHDIR)/mdctl.fish

# In its place: the name, its manual pages and its completions. $(SBINDIR) stands before /usr/sbin in root's PATH.
install-mdadm: install
	ln -sf mdctl $(DESTDIR)$(SBINDIR)/mdadm
	ln -sf mdctl $(DESTDIR)$(SBINDIR)/raid6check
	for page in $(wildcard man/mdadm*.[58] man/raid6check.8); do install -D -m 644 $$page $(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/}; done
	ln -sf mdctl $(DESTDIR)$(BASHDIR)/mdadm
	ln -sf mdctl.fish $(DESTDIR)$(FISHDIR)/mdadm.fish

# What a machine needs to start from its arrays: rules, units, and what initramfs-tools, dracut and mkinitcpio read.
install-boot:
	packaging/install "$(DESTDIR)" "$(SBINDIR)"

# The Debian package of the release build, which takes the place of mdadm.
deb:
	packaging/debian/build $(BINARY) $(TARGET)

# What a package for distributions with RPM holds.
install-rpm: install-mdadm install-boot
	rm -rf $(DESTDIR)$(DATADIR)/initramfs-tools $(DESTDIR)$(PREFIX)/lib/initcpio
	rm -f $(DESTDIR)$(DATADIR)/mdadm/mkconf $(DESTDIR)$(DATADIR)/mdadm/checkarray
	rm -f $(DESTDIR)$(BASHDIR)/mdadm # the package bash-completion has it

# The same for distributions with RPM.
rpm:
	rpmbuild -bb --quiet --build-in-place --define "binary $(abspath $(wildcard $(BINARY)))" \
		--define "_topdir $(abspath $(TARGET))/rpm" packaging/rpm/mdctl-raid.spec

# The same where there is no rpmbuild, with cargo-generate-rpm. It does not support symbolic links: each name is a copy of the program.
generate-rpm:
	rm -rf target/rpm-root
	$(MAKE) -s install-rpm DESTDIR=target/rpm-root PREFIX=/usr SBINDIR=/usr/sbin
	cargo generate-rpm --output $(TARGET)/

# The Debian package in a Debian machine of its own, started from its arrays in QEMU.
boot:
	tests/boot/run

clean:
	cargo clean
