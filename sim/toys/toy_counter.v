// Counts enabled cycles; `next` is combinational.
module toy_counter (
    input wire clock,
    input wire reset,
    input wire enable,
    output reg [7:0] count,
    output wire [7:0] next,
    output reg [39:0] never_reset
);
    assign next = count + {7'd0, enable};
    always @(posedge clock) begin
        count <= reset ? 8'd0 : next;
        never_reset <= never_reset;
    end
endmodule
