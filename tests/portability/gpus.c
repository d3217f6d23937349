// gpus.c -- the GPUs that Mesa 22.3's drivers compile for, from 2012 on.
#include "gpus.h"

#include <ctype.h>
#include <stdio.h>

enum { GCN_WAVES = 2, RDNA_WAVES = 8 };     // latency is hidden from here on

#define AMD(NAME, generation, waves, known_as, few) \
    { "amd", NAME, "radeon_icd", "radv", generation, known_as, few, waves, { 0 } }
#define INTEL(name, icd, driver, generation, known_as, few, ...) \
    { "intel", name, icd, driver, generation, known_as, few, 0, { name, __VA_ARGS__ } }
#define ANV(name, ...) INTEL(name, "intel_icd", "anv", __VA_ARGS__)
#define HASVK(name, ...) INTEL(name, "intel_hasvk_icd", "hasvk", __VA_ARGS__)

const struct gpu gpus[] = {
    AMD("TAHITI",     "GCN 1",  GCN_WAVES,  "Radeon HD 7970",   true),
    AMD("PITCAIRN",   "GCN 1",  GCN_WAVES,  "Radeon HD 7870",   false),
    AMD("VERDE",      "GCN 1",  GCN_WAVES,  "Radeon HD 7770",   false),
    AMD("OLAND",      "GCN 1",  GCN_WAVES,  "Radeon R7 240",    false),
    AMD("HAINAN",     "GCN 1",  GCN_WAVES,  "Radeon R5 M230",   false),
    AMD("BONAIRE",    "GCN 2",  GCN_WAVES,  "Radeon HD 7790",   false),
    AMD("KABINI",     "GCN 2",  GCN_WAVES,  "Athlon 5350",      false),
    AMD("KAVERI",     "GCN 2",  GCN_WAVES,  "A10-7850K",        false),
    AMD("HAWAII",     "GCN 2",  GCN_WAVES,  "Radeon R9 290",    false),
    AMD("TONGA",      "GCN 3",  GCN_WAVES,  "Radeon R9 285",    false),
    AMD("ICELAND",    "GCN 3",  GCN_WAVES,  "Radeon R7 M260",   false),
    AMD("CARRIZO",    "GCN 3",  GCN_WAVES,  "A12-9800",         false),
    AMD("FIJI",       "GCN 3",  GCN_WAVES,  "Radeon R9 Fury",   false),
    AMD("STONEY",     "GCN 3",  GCN_WAVES,  "A9-9420",          false),
    AMD("POLARIS10",  "GCN 4",  GCN_WAVES,  "Radeon RX 580",    true),
    AMD("POLARIS11",  "GCN 4",  GCN_WAVES,  "Radeon RX 560",    false),
    AMD("POLARIS12",  "GCN 4",  GCN_WAVES,  "Radeon RX 550",    false),
    AMD("VEGAM",      "GCN 4",  GCN_WAVES,  "Core i7-8809G",    false),
    AMD("VEGA10",     "GCN 5",  GCN_WAVES,  "Radeon RX Vega 64", true),
    AMD("VEGA12",     "GCN 5",  GCN_WAVES,  "Radeon Pro Vega 20", false),
    AMD("VEGA20",     "GCN 5",  GCN_WAVES,  "Radeon VII",       false),
    AMD("RAVEN",      "GCN 5",  GCN_WAVES,  "Ryzen 5 2400G",    false),
    AMD("RAVEN2",     "GCN 5",  GCN_WAVES,  "Athlon 3000G",     false),
    AMD("RENOIR",     "GCN 5",  GCN_WAVES,  "Ryzen 7 4700U",    false),
    AMD("ARCTURUS",   "CDNA 1", GCN_WAVES,  "Instinct MI100",   false),
    AMD("ALDEBARAN",  "CDNA 2", GCN_WAVES,  "Instinct MI250",   true),
    AMD("NAVI10",     "RDNA 1", RDNA_WAVES, "Radeon RX 5700",   true),
    AMD("NAVI12",     "RDNA 1", RDNA_WAVES, "Radeon Pro 5600M", false),
    AMD("NAVI14",     "RDNA 1", RDNA_WAVES, "Radeon RX 5500",   false),
    AMD("NAVI21",     "RDNA 2", RDNA_WAVES, "Radeon RX 6900 XT", true),
    AMD("NAVI22",     "RDNA 2", RDNA_WAVES, "Radeon RX 6700 XT", false),
    AMD("NAVI23",     "RDNA 2", RDNA_WAVES, "Radeon RX 6600",   false),
    AMD("VANGOGH",    "RDNA 2", RDNA_WAVES, "Steam Deck",       false),
    AMD("NAVI24",     "RDNA 2", RDNA_WAVES, "Radeon RX 6500 XT", false),
    AMD("REMBRANDT",  "RDNA 2", RDNA_WAVES, "Ryzen 7 6800U",    false),
    AMD("GFX1036",    "RDNA 2", RDNA_WAVES, "Ryzen 9 7950X",    false),
    AMD("GFX1100",    "RDNA 3", RDNA_WAVES, "Radeon RX 7900 XTX", true),
    AMD("GFX1101",    "RDNA 3", RDNA_WAVES, "Radeon RX 7800 XT", false),
    AMD("GFX1102",    "RDNA 3", RDNA_WAVES, "Radeon RX 7600",   false),
    AMD("GFX1103_R1", "RDNA 3", RDNA_WAVES, "Ryzen 7 7840U",    false),

    // PCI id, revision, generation, subslices, execution units of each, memory of its own
    HASVK("ivb", "Gen 7",    "Core i7-3770",        false, 0x0166,  9,  7,  2,  8, false),
    HASVK("byt", "Gen 7",    "Atom E3845",          false, 0x0f31,  0,  7,  1,  4, false),
    HASVK("hsw", "Gen 7.5",  "Core i7-4770",        true,  0x0412,  6,  7,  2, 10, false),
    HASVK("bdw", "Gen 8",    "Core i5-5200U",       false, 0x1616,  9,  8,  3,  8, false),
    HASVK("chv", "Gen 8",    "Pentium N3700",       false, 0x22b1,  0,  8,  2,  8, false),
    ANV("skl",   "Gen 9",    "Core i7-6700",        true,  0x1912,  6,  9,  3,  8, false),
    ANV("bxt",   "Gen 9",    "Celeron N3350",       false, 0x5a85, 11,  9,  2,  6, false),
    ANV("kbl",   "Gen 9.5",  "Core i7-7700",        false, 0x5912,  4,  9,  3,  8, false),
    ANV("glk",   "Gen 9.5",  "Celeron N4100",       false, 0x3185,  3,  9,  2,  6, false),
    ANV("cfl",   "Gen 9.5",  "Core i7-8750H",       false, 0x3e9b,  0,  9,  3,  8, false),
    ANV("cml",   "Gen 9.5",  "Core i5-10210U",      false, 0x9b41,  0,  9,  3,  8, false),
    ANV("icl",   "Gen 11",   "Core i7-1065G7",      true,  0x8a52,  7, 11,  8,  8, false),
    ANV("ehl",   "Gen 11",   "Atom x6425E",         false, 0x4500,  1, 11,  4,  8, false),
    ANV("jsl",   "Gen 11",   "Celeron N5100",       false, 0x4e71,  0, 11,  4,  8, false),
    ANV("tgl",   "Xe-LP",    "Core i7-1165G7",      true,  0x9a49,  3, 12,  6, 16, false),
    ANV("rkl",   "Xe-LP",    "Core i5-11400",       false, 0x4c8a,  4, 12,  2, 16, false),
    ANV("dg1",   "Xe-LP",    "Iris Xe MAX",         false, 0x4905,  1, 12,  6, 16, true),
    ANV("adl",   "Xe-LP",    "Core i7-1260P",       false, 0x46a6, 12, 12,  6, 16, false),
    ANV("rpl",   "Xe-LP",    "Core i9-13900K",      false, 0xa780,  4, 12,  2, 16, false),
    ANV("dg2",   "Xe-HPG",   "Arc A770",            true,  0x56a0,  8, 12, 32, 16, true),
    ANV("dg2-g11", "Xe-HPG", "Arc A380",            false, 0x56a5,  5, 12,  8, 16, true),
    ANV("dg2-g12", "Xe-HPG", "Arc Pro A60",         false, 0x56b2,  0, 12, 16, 16, true),
};
const unsigned gpu_count = sizeof(gpus) / sizeof(gpus[0]);

const char *gpu_title(const struct gpu *g, char *out, unsigned size)
{
    snprintf(out, size, "%s-%s", g->vendor, g->name);
    for (char *c = out; *c; c++)
        *c = (char) tolower((unsigned char) *c);
    return out;
}
