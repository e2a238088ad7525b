#!/bin/bash
# dracut: adds ilod and the hpilo driver to an image, with 'dracut --add ilod'.

# Only on demand.
check() {
    return 255
}

depends() {
    echo base
}

installkernel() {
    # Otherwise dracut leaves it out when another machine makes the image.
    hostonly='' instmods hpilo
}

install() {
    inst_multiple cat mkdir modprobe sed sleep tail uname ilod ilod-pe
    inst_simple /usr/lib/ilod/ilod.toml /etc/ilod/ilod.toml
    inst_simple /usr/lib/ilod/deploy.ilod /etc/ilod/deploy.ilod
    inst_hook pre-mount 50 "$moddir/ilod.sh"
}
