// One counter in each of two clock domains.
module toy_two_clocks (
    input wire clock,
    input wire mac_clock,
    output reg [31:0] core_cycles,
    output reg [31:0] mac_cycles
);
    initial core_cycles = 32'd0;
    initial mac_cycles = 32'd0;
    always @(posedge clock) core_cycles <= core_cycles + 32'd1;
    always @(posedge mac_clock) mac_cycles <= mac_cycles + 32'd1;
endmodule
